import { expect, inject } from 'vitest';
import { turnsForAll } from '../soak/job.ts';
import { reportOf } from '../soak/report.ts';
import { runSoak } from '../soak/run-soak.ts';

const engine = inject('engine');
const TURNS_EACH = 2;
const SEED = 20_261_121;

/** Has agents work whose turns are cancelled at random, and expects that nothing is left of them. */
export async function manyAgentsLeaveNothing(agents: number): Promise<void> {
  const outcome = await runSoak({
    runtime: engine.available ? 'docker' : 'process',
    seed: SEED,
    callers: 10,
    jobs: turnsForAll(SEED, agents, TURNS_EACH),
    serverKillsEvery: 0,
    containerKillsEvery: 0,
    // They mostly make room for one another: more agents than may run.
    environment: { PAUSE_TIMEOUT: '5', SESSION_TIMEOUT: '30', WARM_POOL_SIZE: '0' },
  });
  const report = reportOf(outcome);
  const nothing = Object.keys(report.leftovers).map((name) => [name, []]);
  expect(report.leftovers, `seed ${SEED}`).toEqual(Object.fromEntries(nothing));
  expect(report.problems, `seed ${SEED}`).toEqual([]);
  expect(report.calls).toBe(agents * TURNS_EACH);
  // A busy machine may run out of places or time; most calls that nobody cancels have a result.
  const completed = report.byOutcome.find(({ name }) => name === 'completed');
  expect(completed?.calls, `seed ${SEED}`).toBeGreaterThan(agents / 2);
}
