import type { Import } from './imports.ts';
import { ROOMS, type Room, roomOf, STORE } from './rooms.ts';

const ROW = 44;
const TOP = 56;
const CARD = { x: 24, width: 620, height: 36 };
const ARCS_AT = CARD.x + CARD.width;
const WIDTH = 960;
/** The store stands beside the rooms that hand it on, below them. */
const ORDER = ROOMS.flatMap((room): readonly Room[] =>
  room.name === STORE.importedBy[0] ? [room, STORE] : [room],
);

/** The rooms from the top down as SVG, with an arc for each room that another one imports from. */
export function picture(imports: readonly Import[]): string {
  const height = TOP + ORDER.length * ROW + 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">
  <title>The rooms of src from the top down; each imports from those below it</title>
  <style>
    .card { fill: #ffffff; stroke: #cbd5e1; stroke-width: 1.5; }
    .beside { fill: #fefce8; stroke: #ca8a04; stroke-width: 1.5; stroke-dasharray: 6 4; }
    .name { font-weight: 600; font-size: 14px; fill: #0f172a; }
    .what { font-size: 11px; fill: #475569; }
    .note { font-size: 12px; fill: #64748b; }
    .arc { fill: none; stroke: #3b82f6; stroke-width: 1.4; stroke-opacity: 0.4; }
  </style>
  <rect width="${WIDTH}" height="${height}" rx="12" fill="#f8fafc"/>
  <text class="note" x="${CARD.x}" y="32">An import runs down. An arc leads from a room to one that it imports from.</text>
${arcs(imports).join('\n')}
${ORDER.map(card).join('\n')}
</svg>
`;
}

function card({ name, what }: Room, row: number): string {
  const y = TOP + row * ROW;
  const kind = name === STORE.name ? 'beside' : 'card';
  return `  <rect class="${kind}" x="${CARD.x}" y="${y}" width="${CARD.width}" height="${CARD.height}" rx="8"/>
  <text class="name" x="${CARD.x + 14}" y="${y + 23}">${name}</text>
  <text class="what" x="${CARD.x + 122}" y="${y + 22}">${what.replaceAll('`', '')}</text>`;
}

function arcs(imports: readonly Import[]): string[] {
  const pairs = imports.flatMap(({ from, to }) => {
    const [room, other] = [roomOf(from), to === undefined ? undefined : roomOf(to)];
    return room && other && room !== other ? [`${rowOf(room)} ${rowOf(other)}`] : [];
  });
  return [...new Set(pairs)].toSorted().map((pair) => {
    const [from = 0, to = 0] = pair.split(' ').map(Number);
    const [y, end] = [middleOf(from) + 4, middleOf(to) - 4];
    const reach = ARCS_AT + 20 + Math.abs(to - from) * 22;
    return `  <path class="arc" d="M${ARCS_AT} ${y} C${reach} ${y} ${reach} ${end} ${ARCS_AT} ${end}"/>`;
  });
}

function rowOf(room: Room): number {
  return ORDER.findIndex(({ name }) => name === room.name);
}

function middleOf(row: number): number {
  return TOP + row * ROW + CARD.height / 2;
}
