import { expect, inject, test } from 'vitest';
import { turnsForAll } from '../soak/job.ts';
import { reportOf } from '../soak/report.ts';
import { runSoak } from '../soak/run-soak.ts';

const engine = inject('engine');
const AGENTS = 50;
const TURNS_EACH = 2;
const SEED = 20_261_121;

test('nothing is left of many agents whose turns are cancelled at random', {
  timeout: 400_000,
}, async () => {
  const outcome = await runSoak({
    runtime: engine.available ? 'docker' : 'process',
    seed: SEED,
    callers: 10,
    jobs: turnsForAll(SEED, AGENTS, TURNS_EACH),
    serverKillsEvery: 0,
    containerKillsEvery: 0,
    // They mostly make room for one another: more agents than may run.
    environment: { PAUSE_TIMEOUT: '5', SESSION_TIMEOUT: '30', WARM_POOL_SIZE: '0' },
  });
  const report = reportOf(outcome);
  const nothing = Object.keys(report.leftovers).map((name) => [name, []]);
  expect(report.leftovers, `seed ${SEED}`).toEqual(Object.fromEntries(nothing));
  expect(report.problems, `seed ${SEED}`).toEqual([]);
  expect(report.calls).toBe(AGENTS * TURNS_EACH);
  // A busy machine may run out of places or time; most calls that nobody cancels have a result.
  const completed = report.byOutcome.find(({ name }) => name === 'completed');
  expect(completed?.calls, `seed ${SEED}`).toBeGreaterThan(AGENTS / 2);
});
