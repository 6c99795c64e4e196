import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { createWorld, kill, type Main, submitted, waited } from './main-process.ts';
import { call, connect } from './test-server.ts';

const engine = inject('engine');

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
  test('a turn in a command survives the death of the server', async () => {
    await using world = await createWorld(runtime);
    const { model } = world;
    model.setScript(runsOnce('echo one > one.txt; sleep 3; echo two > two.txt'));
    const first = await world.start();
    const turnId = await submitted(first, 'implement', { task: 'x', agent_id: 'survivor' });
    await expect.poll(() => model.requests.length).toBe(1);
    await sleep(500);
    await kill(first, 'SIGKILL');

    const ended = await waited(await world.start(), turnId);
    expect(ended).toMatchObject({ state: 'completed', error: null });
    const files = ended.result.changes.map(({ file }: { file: string }) => file);
    expect(files).toEqual(['one.txt', 'two.txt']);
    expect(ended.result).toMatchObject({ turn_id: turnId, agent_id: 'survivor' });
  });

  test('a turn that waits for the model survives, and nothing ran unrecorded', async () => {
    await using world = await createWorld(runtime);
    const { model } = world;
    model.setScript(async (request) => {
      await sleep(request.toolOutputs.length === 0 ? 1500 : 0);
      return runsOnce('echo one > one.txt')(request);
    });
    const first = await world.start();
    const turnId = await submitted(first, 'plan', { task: 'x', agent_id: 'thinker' });
    await expect.poll(() => model.requests.length).toBe(1);
    await kill(first, 'SIGKILL');

    const ended = await waited(await world.start(), turnId);
    expect(ended).toMatchObject({ state: 'completed' });
    if (runtime === 'docker') expect(ended.result.undone_changes).toEqual(['one.txt']);
  });

  test('turns that wait in the queue are taken up in their order', async () => {
    await using world = await createWorld(runtime);
    const { model } = world;
    model.setScript(runsOnce('sleep 2'));
    const first = await world.start();
    const ids: string[] = [];
    for (const task of ['first', 'second', 'third']) {
      ids.push(await submitted(first, 'plan', { task, agent_id: 'queue' }));
    }
    await expect.poll(() => model.requests.length).toBe(1);
    await kill(first, 'SIGKILL');

    const second = await world.start();
    const ends = await Promise.all(ids.map((id) => waited(second, id)));
    expect(ends.map(({ state }) => state)).toEqual(['completed', 'completed', 'completed']);
    const times = ends.map(({ ended_at }) => ended_at);
    expect(times).toEqual([...times].sort());
  });

  test('a server that stops in order tells its callers, and its turns go on', async () => {
    await using world = await createWorld(runtime);
    const { model } = world;
    model.setScript(runsOnce('sleep 2; echo late > late.txt'));
    const first = await world.start();
    await using client = await connect(first);
    const running = call(client, 'implement', { task: 'x', agent_id: 'drained' });
    running.catch(() => undefined);
    await expect.poll(() => model.requests.length).toBe(1);
    await sleep(300);
    expect(await kill(first, 'SIGTERM')).toEqual([0, null]);
    const error = await running.catch((reason) => reason);
    expect(error.code).toBe('shutting_down');
    const { turn_id } = JSON.parse(error.message.slice(error.message.indexOf('{')));

    const ended = await waited(await world.start(), turn_id);
    expect(ended).toMatchObject({ state: 'completed' });
    expect(ended.result.changes).toMatchObject([{ file: 'late.txt' }]);
  });
});

test.runIf(engine.available)(
  'a turn whose container died with the server ends with that reason',
  async () => {
    await using world = await createWorld('docker');
    const { model } = world;
    model.setScript(runsOnce('sleep 60'));
    const first = await world.start();
    const turnId = await submitted(first, 'implement', { task: 'x', agent_id: 'gone' });
    await expect.poll(() => model.requests.length).toBe(1);
    await sleep(500);
    const container = await containerOf(first, 'gone');
    await kill(first, 'SIGKILL');
    execFileSync('docker', ['kill', container]);

    model.setScript(answerAnything);
    const second = await world.start();
    expect(await waited(second, turnId)).toMatchObject({
      state: 'interrupted',
      error: { code: 'turn_interrupted' },
    });
    await using client = await connect(second);
    await expect(call(client, 'plan', { task: 'x', agent_id: 'gone' })).resolves.toBeTruthy();
  },
);

async function containerOf(server: Main, agentId: string): Promise<string> {
  await using client = await connect(server);
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}
