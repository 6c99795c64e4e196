import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { fillSchema } from '../../fakes/stand-in-model/fill-schema.ts';
import { answerAnything } from '../../fakes/stand-in-model/script.ts';
import { json, shell } from '../../fakes/stand-in-model/step.ts';
import { SeededRandom } from '../../soak/seeded-random.ts';
import { call, connect, startTestServer } from '../test-server.ts';

/** The seed of a failure is in its message. */
const SEED = Number(process.env.KILL_SEED ?? 20_261_121);
const LATEST_MS = 1_000;
/** With what a turn may end whose container was killed at some moment of it. */
const REASONS = ['container_lost', 'turn_interrupted'];

const WAYS: Record<string, (container: string) => string[]> = {
  kill: (container) => ['kill', container],
  codex: (container) => ['exec', container, 'pkill', '-9', '-f', 'app-server --listen'],
  remove: (container) => ['rm', '--force', container],
};

/** Kills the container of an agent at some moment of a turn, in each round in another way. */
export async function killedContainersGoOn(rounds: number): Promise<void> {
  const random = new SeededRandom(SEED);
  await using target = await startTestServer({ runtime: 'docker', script: answerAnything });
  await using client = await connect(target);
  const args = { agent_id: 'victim' };
  const first = await call(client, 'plan', { ...args, task: 'the-very-first' });
  target.model.setScript(({ toolOutputs, schema, prompt }) =>
    toolOutputs.length === 0
      ? shell(`sleep 0.3; echo ${/mark-\d+/.exec(prompt)?.[0]} >> marks.txt; cat marks.txt`)
      : json(fillSchema(schema)),
  );
  for (let round = 1; round <= rounds; round++) {
    const [way = ''] = Object.keys(WAYS).slice((round - 1) % 3);
    const delay = Math.round(random.next() * LATEST_MS);
    const context = `seed ${SEED}, round ${round}, ${way} after ${delay} ms`;
    const { sessions } = await call(client, 'list_sessions', args);
    const running = call(client, 'implement', { ...args, task: `mark-${2 * round}` });
    running.catch(() => undefined);
    await sleep(delay);
    docker(WAYS[way]?.(sessions[0].container_id) ?? []);
    const error = await running.catch((reason) => reason);
    if (error instanceof Error) {
      expect(REASONS, `${context}: ${error.message}`).toContain(Reflect.get(error, 'code'));
    }
    const task = `mark-${2 * round + 1}`;
    const next = await call(client, 'implement', { ...args, task }).catch((reason) =>
      expect.fail(`${context}: ${reason.message}`),
    );
    expect(next.session_id, context).toBe(first.session_id);
    const { body, seen } = target.model.requests.at(-1) ?? {};
    expect(JSON.stringify(body), context).toContain('the-very-first');
    const marks = seen?.toolOutputs.join().match(/mark-\d+/g) ?? [];
    expect(new Set(marks).size, context).toBe(marks.length);
    expect(marks, context).toContain(`mark-${2 * round + 1}`);
  }
}

/** A container that has ended already cannot be killed. */
function docker(command: string[]): void {
  try {
    execFileSync('docker', command, { stdio: 'ignore' });
  } catch {}
}
