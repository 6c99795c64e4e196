import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { obey, runsOnce } from '../fakes/stand-in-model/script.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { containerOf } from './git-client.ts';
import { createWorld, kill, type Main, submitted, type World, waited } from './main-process.ts';
import { call, connect } from './test-server.ts';
import { untilSaid } from './turn-words.ts';

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
  let world: World;
  let server: Main;
  beforeAll(async () => {
    world = await createWorld(runtime);
    server = await world.start();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const begin = (tool: string, task: string) => submitted(server, tool, { task, agent_id: 'a' });
  const killAndStart = async () => {
    await kill(server, 'SIGKILL');
    server = await world.start();
  };

  test('a turn in a command survives the death of the server, and the queue its order', async () => {
    world.model.setScript(obey);
    const running = await begin('implement', 'run:echo 1 > one.txt; sleep 3; echo 2 > two.txt');
    const waiting = [await begin('plan', 'second'), await begin('plan', 'third')];
    await untilSaid(server, running, /command_started/);
    await killAndStart();

    const ended = await waited(server, running);
    expect(ended).toMatchObject({ state: 'completed', error: null });
    expect(ended.result).toMatchObject({ turn_id: running, agent_id: 'a' });
    expect(ended.result.changes).toMatchObject([{ file: 'one.txt' }, { file: 'two.txt' }]);
    const later = await Promise.all(waiting.map((id) => waited(server, id)));
    expect(later).toMatchObject([{ state: 'completed' }, { state: 'completed' }]);
    const times = [ended, ...later].map(({ ended_at }) => ended_at);
    expect(times).toEqual([...times].sort());
  });

  test('a turn that waits for the model survives, and nothing ran unrecorded', async () => {
    const { model } = world;
    model.setScript(async (request) => {
      await sleep(request.toolOutputs.length === 0 ? 1500 : 0);
      return runsOnce('echo new > new.txt')(request);
    });
    const asked = model.requests.length;
    const thinking = await begin('plan', 'x');
    await expect.poll(() => model.requests.length).toBe(asked + 1);
    await killAndStart();

    const ended = await waited(server, thinking);
    expect(ended).toMatchObject({ state: 'completed' });
    if (runtime === 'docker') expect(ended.result.undone_changes).toEqual(['new.txt']);
  });

  test('a server that stops in order tells its callers, and its turns go on', async () => {
    world.model.setScript(runsOnce('sleep 2; echo late > late.txt'));
    await using client = await connect(server);
    const running = call(client, 'implement', { task: 'x', agent_id: 'a' });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 2');
    expect(await kill(server, 'SIGTERM')).toEqual([0, null]);
    const error = await running.catch((reason) => reason);
    expect(error.code).toBe('shutting_down');
    const { turn_id } = JSON.parse(error.message.slice(error.message.indexOf('{')));

    server = await world.start();
    const ended = await waited(server, turn_id);
    expect(ended).toMatchObject({ state: 'completed' });
    expect(ended.result.changes).toMatchObject([{ file: 'late.txt' }]);
  });

  test.runIf(runtime === 'docker')(
    'a turn whose container died with the server ends with that reason',
    async () => {
      world.model.setScript(obey);
      const lost = await begin('implement', 'run:sleep 60');
      await untilSaid(server, lost, /command_started/);
      const container = await containerOf(server, 'a');
      await kill(server, 'SIGKILL');
      execFileSync('docker', ['kill', container]);

      server = await world.start();
      expect(await waited(server, lost)).toMatchObject({
        state: 'interrupted',
        error: { code: 'turn_interrupted' },
      });
      expect(await waited(server, await begin('plan', 'x'))).toMatchObject({ state: 'completed' });
    },
  );
});
