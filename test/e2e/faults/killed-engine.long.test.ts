import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answerAnything, runsOnce } from '../../fakes/stand-in-model/script.ts';
import { createWorld, kill, submitted, waited } from '../main-process.ts';
import { call, connect, startTestServer } from '../test-server.ts';
import { type OwnEngine, startOwnEngine } from './own-engine.ts';

const engine = inject('engine');
const mayStartOne = process.getuid?.() === 0 && !process.env.DOCKER_HOST;

describe.runIf(engine.available && mayStartOne)('when the engine is killed', () => {
  let own: OwnEngine;
  beforeAll(async () => {
    own = await startOwnEngine({ liveRestore: true });
  });
  afterAll(() => own[Symbol.asyncDispose]());

  test('a turn whose container lives on is taken up as soon as the engine is back', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: runsOnce('sleep 4; echo kept > kept.txt'),
      environment: { DOCKER_HOST: own.host },
    });
    await using client = await connect(target);
    const running = call(client, 'implement', { task: 'x', agent_id: 'a' });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 4');
    await own.kill();
    await expect.poll(() => client.progress.join()).toContain('engine');
    const refused = call(client, 'plan', { task: 'x', agent_id: 'new' });
    await expect(refused).rejects.toMatchObject({ code: 'engine_unreachable' });
    expect((await fetch(`${target.url}/health`)).status).toBe(503);
    await own.start({ liveRestore: true });
    const result = await running;
    expect(result.changes).toMatchObject([{ file: 'kept.txt' }]);
    expect((await fetch(`${target.url}/health`)).status).toBe(200);
    const next = await call(client, 'plan', { task: 'x', agent_id: 'a' });
    expect(next.session_id).toBe(result.session_id);
  });

  test('turns of a server that starts before the engine wait for it', async () => {
    await using world = await createWorld('docker', { environment: { DOCKER_HOST: own.host } });
    world.model.setScript(runsOnce('sleep 2; echo late > late.txt'));
    const first = await world.start();
    const args = { task: 'x', agent_id: 'b' };
    const running = await submitted(first, 'implement', args);
    const waiting = await submitted(first, 'plan', args);
    await expect.poll(() => world.model.requests.length).toBe(1);
    await kill(first, 'SIGKILL');
    await own.kill();
    const second = await world.start();
    await using client = await connect(second);
    await expect
      .poll(() => call(client, 'get_turn', { turn_id: running }))
      .toMatchObject({ error: null });
    expect((await fetch(`${second.url}/health`)).status).toBe(503);
    await own.start({ liveRestore: true });
    expect(await waited(second, running)).toMatchObject({
      state: 'completed',
      result: { changes: [{ file: 'late.txt' }] },
    });
    expect(await waited(second, waiting)).toMatchObject({ state: 'completed' });
    await expect.poll(async () => (await fetch(`${second.url}/health`)).status).toBe(200);
  });

  test('a turn whose container died with it ends with that reason, and the next call works', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { DOCKER_HOST: own.host, REAPER_SCHEDULE: '*/5 * * * * *' },
    });
    await using client = await connect(target);
    const first = await call(client, 'plan', { task: 'x', agent_id: 'c' });
    await call(client, 'plan', { task: 'x', agent_id: 'idle' });
    target.model.setScript(runsOnce('sleep 30'));
    const running = call(client, 'implement', { task: 'x', agent_id: 'c' });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 30');
    await own.kill();
    await own.start({ liveRestore: false });
    const error = await running.catch((reason) => reason);
    expect(['container_lost', 'turn_interrupted'], error.message).toContain(error.code);
    const status = async () =>
      (await call(client, 'list_sessions', { agent_id: 'idle' })).sessions[0].status;
    await expect.poll(status).toBe('stopped');
    target.model.setScript(answerAnything);
    await call(client, 'plan', { task: 'x', agent_id: 'idle' });
    const next = await call(client, 'plan', { task: 'x', agent_id: 'c' });
    expect(next.session_id).toBe(first.session_id);
  });
});
