import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { SeededRandom } from '../soak/seeded-random.ts';
import { createWorld, kill, submitted, waited } from './main-process.ts';

/** KILL_ROUNDS=200 for a long run; the seed of a failure is in its message. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 6);
const SEED = Number(process.env.KILL_SEED ?? 20_261_120);
const RUNTIMES = [...(inject('engine').available ? (['docker'] as const) : []), 'process' as const];
const LATEST_MS = 1_200;

describe.each(RUNTIMES)('in the %s runtime', (runtime) => {
  test('no turn is lost or run twice when the server is killed at any moment of it', {
    timeout: 60_000 + ROUNDS * 15_000,
  }, async () => {
    const random = new SeededRandom(SEED);
    await using world = await createWorld(runtime);
    world.model.setScript(({ toolOutputs, schema, prompt }) => {
      const mark = /mark-\d+/.exec(prompt)?.[0] ?? '';
      if (toolOutputs.length === 0) return shell(`sleep 0.3; echo ${mark} >> marks.txt`);
      if (toolOutputs.length === 1) return shell('cat marks.txt');
      return json(fillSchema(schema));
    });
    let server = await world.start();
    const expected: string[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const delay = Math.round(random.next() * LATEST_MS);
      const context = `seed ${SEED}, round ${round}, killed after ${delay} ms`;
      const task = `mark-${round}`;
      expected.push(task);
      const turnId = await submitted(server, 'implement', { task, agent_id: 'marked' });
      await sleep(delay);
      await kill(server, 'SIGKILL');
      server = await world.start();
      const ended = await waited(server, turnId);
      expect(ended, context).toMatchObject({ state: 'completed' });
      const seen = world.model.requests.at(-1)?.seen.toolOutputs.at(-1) ?? '';
      expect(seen.match(/mark-\d+/g), context).toEqual(expected);
    }
  });
});
