import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, readImports } from '../../architecture/imports.ts';
import { picture } from '../../architecture/picture.ts';
import { BEHIND_VIEWS, isAt, ROOMS } from '../../architecture/rooms.ts';
import { withRooms } from '../../architecture/table.ts';
import { findFaults } from '../../architecture/walls.ts';

const ROOT = path.join(import.meta.dirname, '../..');

/** What is said of files that import what their text says. */
function faultsOf(files: Record<string, string>): string {
  return findFaults(Object.entries(files).flatMap(([file, text]) => importsOf(file, text))).join(
    '\n',
  );
}

test('the code keeps the order of its rooms', () => {
  const imports = readImports(ROOT, 'src');
  expect(findFaults(imports)).toEqual([]);
  expect(new Set(imports.map(({ from }) => from)).size).toBeGreaterThan(300);
});

describe('a fault is told, with who may be asked instead', () => {
  test('an import that runs up', () => {
    const told = faultsOf({ 'src/agents/a.ts': "import { turn } from '../turns/turn.ts';" });
    expect(told).toContain('agents stands below turns');
    expect(told).toContain('audit, gateway, workspaces');
  });

  test.each([
    ['a type', "import type { Turn } from '../turns/turn.ts';"],
    ['a type among values', "import { a, type Turn } from '../turns/turn.ts';"],
    ['a type by a call', "export type T = import('../turns/turn.ts').Turn;"],
    ['what is handed on', "export { turn } from '../turns/turn.ts';"],
    ['all that is handed on', "export * from '../turns/turn.ts';"],
    ['what is imported for its effect', "import '../turns/turn.ts';"],
    ['what is imported late', "const { turn } = await import('../turns/turn.ts');"],
  ])('%s', (_what, text) => {
    expect(faultsOf({ 'src/agents/a.ts': text })).toContain('agents stands below turns');
  });

  test('the store imported by anybody but the server and the command line', () => {
    const text = "import { SqliteStore } from '../store/sqlite/sqlite-store.ts';";
    expect(faultsOf({ 'src/tools/a.ts': text })).toContain('tools stands below store');
    expect(faultsOf({ 'src/server/a.ts': text, 'src/cli/a.ts': text })).toBe('');
  });

  test('a store that imports what uses it', () => {
    const text = "import { app } from '../server/app.ts';";
    expect(faultsOf({ 'src/store/a.ts': text })).toContain('store stands below server');
  });

  test.each([
    ['dockerode', 'src/agents/a.ts', 'src/runtime/docker/a.ts'],
    ['node:sqlite', 'src/agents/a.ts', 'src/store/sqlite/a.ts'],
    ['@modelcontextprotocol/server/stdio', 'src/tools/a.ts', 'src/transports/mcp/a.ts'],
    ['fastify', 'src/turns/a.ts', 'src/transports/rest/a.ts'],
    ['@fastify/sse', 'src/server/a.ts', 'src/transports/a.ts'],
  ])('%s outside its adapter', (name, outside, inside) => {
    const text = `import type { A } from '${name}';`;
    expect(faultsOf({ [outside]: text })).toContain(`${outside} imports ${name}: ask `);
    expect(faultsOf({ [inside]: text })).toBe('');
  });

  test.each(BEHIND_VIEWS.rooms)('a service below the callers, imported by %s', (room) => {
    const text = "import type { AgentManager } from '../agents/agent-manager.ts';";
    expect(faultsOf({ [`src/${room}/a.ts`]: text })).toContain('ask a view of src/callers');
    expect(faultsOf({ 'src/callers/a.ts': text, 'src/server/a.ts': text })).toBe('');
  });

  test('a circle of files within a room, types included', () => {
    const told = faultsOf({
      'src/turns/a.ts': "import { b } from './b.ts';",
      'src/turns/b.ts': "import type { C } from './c/c.ts';",
      'src/turns/c/c.ts': "import { a } from '../a.ts';",
    });
    expect(told).toBe(
      'A circle: src/turns/a.ts → src/turns/b.ts → src/turns/c/c.ts → src/turns/a.ts.',
    );
  });

  test('a file that stands in no room', () => {
    const told = faultsOf({ 'src/utils/a.ts': "import { b } from '../errors.ts';" });
    expect(told).toContain('give it one in architecture/rooms.ts');
  });
});

test('what is behind the views of callers is there', () => {
  const files = readImports(ROOT, 'src').map(({ from }) => from);
  for (const place of BEHIND_VIEWS.places)
    expect(
      files.some((file) => isAt(file, place)),
      place,
    ).toBe(true);
});

test('each room may import the ones below it, but for what is behind the views of callers', () => {
  const [top, ...below] = ROOMS.map(({ files: [place] }) => place.replace(/\/$/, '/a.ts'));
  const text = below.map(
    (to) => `import '${path.posix.relative('src', `./${to}`).replace(/^/, './')}';`,
  );
  expect(faultsOf({ [`${top}`]: text.join('\n') })).toBe('');
});

test('docs/architecture.md shows the rooms as they are', () => {
  const read = (file: string) => fs.readFileSync(path.join(ROOT, 'docs', file), 'utf8');
  expect(read('architecture.md')).toBe(withRooms(read('architecture.md')));
  // `npm run docs` makes both anew.
  expect(read('images/rooms.svg')).toBe(picture(readImports(ROOT, 'src')));
});
