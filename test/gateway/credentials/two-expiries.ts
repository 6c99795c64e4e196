import { setTimeout as sleep } from 'node:timers/promises';
import type { CredentialsRig } from './rig.ts';

export const AGENTS = 12;
export const REQUESTS_OF_EACH = 12;
const REQUESTS_BETWEEN = 48;
const EXPIRIES = 2;

/**
 * Has agents ask the model at the same time, each several times, while its login expires twice in
 * the middle of it. Answers what came of each request.
 */
export async function askOverTwoExpiries<Outcome>(
  rig: CredentialsRig,
  ask: (agent: number) => Promise<Outcome>,
): Promise<Outcome[]> {
  const inFlight = new Set<symbol>();
  let answered = 0;
  let expiries = 0;
  let sentBefore: symbol[] = [];
  const expireInTheMiddle = () => {
    // No request may see two expiries: it is sent once more, not twice.
    const isTime =
      answered >= REQUESTS_BETWEEN * (expiries + 1) && !sentBefore.some((id) => inFlight.has(id));
    if (expiries === EXPIRIES || !isTime) return;
    expiries += 1;
    sentBefore = [...inFlight];
    rig.clock.passHour();
  };
  const work = async (_: unknown, agent: number) => {
    const outcomes: Outcome[] = [];
    for (let round = 0; round < REQUESTS_OF_EACH; round += 1) {
      await sleep(Math.random() * 20);
      const id = Symbol();
      inFlight.add(id);
      outcomes.push(await ask(agent));
      inFlight.delete(id);
      answered += 1;
      expireInTheMiddle();
    }
    return outcomes;
  };
  return (await Promise.all(Array.from({ length: AGENTS }, work))).flat();
}
