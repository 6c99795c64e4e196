import { describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { containerOf, inWorkspace } from './git-client.ts';
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
    const killAndStart = async () => {
      await kill(server, 'SIGKILL');
      server = await world.start();
    };
    await untilSaid(server, turnId, /check_started/);
    const container = runtime === 'docker' ? await containerOf(server, 'a') : '';
    const ran = () => inWorkspace(world.dataDir, container, 'a', 'cat ran.txt 2>&1; true');
    await expect.poll(ran).toBe('ran\n');
    await killAndStart();
    // In the second round Codex is asked again.
    await expect.poll(() => world.model.requests.length).toBe(3);
    await killAndStart();
    const { state, result } = await waited(server, turnId);
    expect(state).toBe('completed');
    expect(result.check).toMatchObject({ passed: true, changed_files: ['ran.txt'] });
    expect(result.check.rounds).toMatchObject([{ exit_code: 1 }, { exit_code: 0 }]);
    // Codex worked once in each round.
    expect(result.changes).toMatchObject([{ file: 'work.txt', line_numbers: '1-2' }]);
    // The check that was killed ran once more, and nothing was left of it.
    expect(result.check.output).toBe('ran\nran\nran\n');
  });
});
