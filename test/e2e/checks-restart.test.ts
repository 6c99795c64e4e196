import { describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, submitted, waited } from './main-process.ts';
import { untilSaid } from './turn-words.ts';

/** Writes a line in each round. */
const adds: Script = async ({ toolOutputs, schema }) => {
  if (toolOutputs.length === 0) return shell('sleep 0.5; echo worked >> work.txt');
  return json(fillSchema(schema));
};

/** Passes once there are two lines. Tells how often it ran, and what is left of an earlier run. */
const CHECK = `echo ran >> ran.txt; cat ran.txt
for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $file; echo; done 2>/dev/null | grep -x 'sleep 4251 '
setsid sleep 4251 &
sleep 1
[ $(wc -l < work.txt) = 2 ]`;

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  test('a server that is killed in a check and in the work after it leaves no round out and does none twice', {
    timeout: 400_000,
  }, async () => {
    await using world = await createWorld(runtime);
    world.model.setScript(adds);
    let server = await world.start();
    const turnId = await submitted(server, 'implement', {
      ...{ task: 'x', agent_id: 'a', check_command: CHECK },
    });
    const restartAfter = async (words: RegExp) => {
      await untilSaid(server, turnId, words);
      await kill(server, 'SIGKILL');
      server = await world.start();
    };
    await restartAfter(/check_started.*"round":1/s);
    await restartAfter(/check_completed.*"round":1/s);
    const { state, result } = await waited(server, turnId);
    expect(state).toBe('completed');
    expect(result.check).toMatchObject({ passed: true, changed_files: ['ran.txt'] });
    expect(result.check.rounds).toMatchObject([{ exit_code: 1 }, { exit_code: 0 }]);
    // Codex worked once in each round.
    expect(result.changes).toMatchObject([{ file: 'work.txt', line_numbers: '1-2' }]);
    // How far each had come when it was killed is a matter of luck; nothing of it is left.
    expect(result.check.output).toMatch(/^(ran\n){2,3}$/);
  });
});
