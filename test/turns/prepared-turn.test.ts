import { expect, test } from 'vitest';
import { TURN_KINDS } from '../../src/tools/catalog.ts';
import { prepareTurn } from '../../src/turns/prepared-turn.ts';

const prepare = (tool: string, args: Record<string, unknown>) =>
  prepareTurn(TURN_KINDS, { tool, args });

test('a turn knows its access, its sandbox, its files and its check', () => {
  const plan = prepare('plan', { task: 'x', context_files: ['a.ts', { path: 'b', content: '' }] });
  expect(plan).toMatchObject({ access: 'read', sandbox: 'read-only', reads: ['a.ts'] });
  expect(plan.check).toBeUndefined();
  const implement = prepare('implement', { task: 'x', check_command: 'npm test', max_rounds: 2 });
  expect(implement).toMatchObject({
    access: 'write',
    sandbox: 'workspace-write',
    reads: [],
    check: { command: 'npm test', rounds: 2 },
  });
  expect(implement.prompt(undefined)).toContain('npm test');
});

test('the sandbox that a caller chose decides the access', () => {
  const args = { prompt: 'x', sandbox: 'danger-full-access' };
  expect(prepare('codex', args)).toMatchObject({ access: 'write', sandbox: 'danger-full-access' });
  expect(prepare('codex', { ...args, sandbox: 'read-only' })).toMatchObject({ access: 'read' });
});

test('tools and arguments that the server does not know are refused', () => {
  expect(() => prepare('retired', {})).toThrow(expect.objectContaining({ code: 'unknown_tool' }));
  expect(() => prepare('plan', { task: 7 })).toThrow();
});
