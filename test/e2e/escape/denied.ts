import { expect } from 'vitest';
import { REAL_KEY } from '../test-server.ts';
import { type Attempt, outcomesOf } from './attempt.ts';
import { HOST_CANARY, VICTIM_CANARY } from './rig.ts';

/** Reads what the command of these attempts printed: each was denied, and nothing was seen. */
export function expectDenied(attempts: readonly Attempt[], output: string): void {
  for (const secret of [HOST_CANARY, VICTIM_CANARY, REAL_KEY]) expect(output).not.toContain(secret);
  const outcomes = outcomesOf(output);
  expect(outcomes).toHaveLength(attempts.length);
  attempts.forEach(({ name, denied }, index) => {
    expect.soft(outcomes[index]?.output, name).toMatch(denied);
  });
}
