import type { Import } from './imports.ts';
import { ADAPTERS, BEHIND_VIEWS, isAt, ROOMS, type Room, roomOf, STORE } from './rooms.ts';

/** What breaks the order of the rooms: a sentence for each import or circle, none if all is in order. */
export function findFaults(imports: readonly Import[]): string[] {
  return [...imports.flatMap(faultsOf), ...findCircles(imports)];
}

function faultsOf(each: Import): string[] {
  return each.to === undefined ? packageFaults(each) : roomFaults(each, each.to);
}

function packageFaults({ from, specifier }: Import): string[] {
  const [name, places] = Object.entries(ADAPTERS).find(([name]) => isOf(specifier, name)) ?? [];
  if (!places || places.some((place) => isAt(from, place))) return [];
  return [`${from} imports ${specifier}: ask ${places.join(' or ')}, which hides ${name}.`];
}

function isOf(specifier: string, name: string): boolean {
  return name.endsWith('/')
    ? specifier.startsWith(name)
    : specifier === name || specifier.startsWith(`${name}/`);
}

function roomFaults({ from }: Import, to: string): string[] {
  const [room, other] = [roomOf(from), roomOf(to)];
  if (!room) return [`${from} stands in no room: give it one in architecture/rooms.ts.`];
  if (!other) return [`${from} imports ${to}, which stands in no room of src.`];
  if (isBehindViews(room, to)) {
    return [
      `${from} imports ${to}: ask a view of src/callers, which checks what its caller may do.`,
    ];
  }
  if (room === other || mayImport(room, other)) return [];
  const below = ROOMS.slice(floorOf(room) + 1).map(({ name }) => name);
  return [
    `${from} imports ${to}: ${room.name} stands below ${other.name}. It may ask ${below.join(', ') || 'nobody'}; what ${other.name} knows is handed down to it by a port of its own.`,
  ];
}

/** The store implements ports of all rooms below the server, which alone hands it on. */
function mayImport(room: Room, other: Room): boolean {
  if (other === STORE) return STORE.importedBy.some((name) => name === room.name);
  return floorOf(other) > floorOf(room);
}

function isBehindViews({ name }: Room, to: string): boolean {
  const { rooms, places } = BEHIND_VIEWS;
  return rooms.some((each) => each === name) && places.some((place) => isAt(to, place));
}

/** Counted from the top. */
function floorOf(room: Room): number {
  const name = room === STORE ? 'server' : room.name;
  return ROOMS.findIndex((each) => each.name === name);
}

/** Circles of files, each told once. */
function findCircles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) {
    if (to !== undefined) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) {
      circles.push(`A circle: ${[...way.slice(way.indexOf(file)), file].join(' → ')}.`);
      return;
    }
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...way, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return circles;
}
