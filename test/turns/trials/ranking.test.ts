import { expect, test } from 'vitest';
import { rank } from '../../../src/turns/trials/ranking.ts';

const diff = (lines: number) =>
  `diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,${lines} @@\n${'+x\n'.repeat(lines)}`;

function candidate(name: string, lines: number, check?: { passed: boolean; rounds: number }) {
  const rounds = Array.from({ length: check?.rounds ?? 0 }, () => ({}));
  const changes = [{ file: 'x', diff: diff(lines) }];
  return { name, result: { changes, ...(check && { check: { passed: check.passed, rounds } }) } };
}

test('what passes its check comes first, then who needed fewer rounds, then the smaller change', () => {
  const candidates: { name: string; result?: Record<string, unknown> }[] = [
    { name: 'failed' },
    candidate('small and broken', 1, { passed: false, rounds: 3 }),
    candidate('large', 9, { passed: true, rounds: 1 }),
    candidate('late', 1, { passed: true, rounds: 2 }),
    candidate('small', 2, { passed: true, rounds: 1 }),
    { name: 'idle', result: { changes: [], check: { passed: true, rounds: [{}] } } },
    { name: 'failed too' },
  ];
  expect(rank(candidates).map(({ name }) => name)).toEqual([
    'small',
    'large',
    'late',
    'idle',
    'small and broken',
    'failed',
    'failed too',
  ]);
});

test('who changed nothing is not the best while others changed something', () => {
  const idle = { name: 'idle', result: { changes: [] } };
  const candidates = [idle, candidate('large', 500)];
  expect(rank(candidates).map(({ name }) => name)).toEqual(['large', 'idle']);
});

test('equals keep their order', () => {
  const candidates = ['a', 'b', 'c'].map((name) => candidate(name, 3));
  expect(rank(candidates)).toEqual(candidates);
});
