import { execFileSync } from 'node:child_process';
import { describe, expect, inject, test } from 'vitest';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { type Connection, call, connect, startTestServer } from '../test-server.ts';
import { openDoor } from './door.ts';

const engine = inject('engine');
const COMMAND = 'sleep 2; echo done > done.txt';

describe.runIf(engine.available)('a turn completes whatever is cut in the middle of it', () => {
  test.each([
    ['the tunnel', 'codex-mcp/tunnel.mjs'],
    ['the way to Codex', 'app-server proxy'],
    ['the shell of the workspace', 'Runs in the container for as long as'],
  ])('%s is killed in the container', async (_name, commandLine) => {
    await using target = await startTestServer({ runtime: 'docker', script: runsOnce(COMMAND) });
    await using client = await connect(target);
    const running = call(client, 'implement', { task: 'x', agent_id: 'a' });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 2');
    execFileSync('docker', [
      ...['exec', await containerOf(client, 'a'), 'pkill', '-9', '-f', commandLine],
    ]);
    const result = await running;
    expect(result.changes).toMatchObject([{ file: 'done.txt' }]);
    expect(target.model.requests).toHaveLength(2);
    const next = await call(client, 'plan', { task: 'x', agent_id: 'a' });
    expect(next.session_id).toBe(result.session_id);
  });

  test('all connections to the engine break at once', async () => {
    await using door = await openDoor('/var/run/docker.sock');
    await using target = await startTestServer({
      runtime: 'docker',
      script: runsOnce(COMMAND),
      environment: { DOCKER_HOST: `tcp://127.0.0.1:${door.port}` },
    });
    await using client = await connect(target);
    const running = call(client, 'implement', { task: 'x', agent_id: 'a' });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 2');
    door.cut();
    expect((await running).changes).toMatchObject([{ file: 'done.txt' }]);
    expect(target.model.requests).toHaveLength(2);
  });

  test.each(['sse', 'http'] as const)('the connection of a client over %s', async (transport) => {
    await using target = await startTestServer({ runtime: 'docker', script: runsOnce(COMMAND) });
    await using door = await openDoor(Number(new URL(target.url).port));
    await using cut = await connect({ url: `http://127.0.0.1:${door.port}` }, transport);
    call(cut, 'implement', { task: 'x', agent_id: 'a' }).catch(() => undefined);
    await expect.poll(() => cut.progress.join()).toContain('sleep 2');
    await door.shut();
    await using client = await connect(target);
    const { last_turns } = await call(client, 'get_my_session_info', { agent_id: 'a' });
    expect(last_turns).toMatchObject([{ state: 'running' }]);
    const [{ turn_id }] = last_turns;
    await expect
      .poll(() => call(client, 'get_turn', { turn_id }))
      .toMatchObject({
        state: 'completed',
        result: { changes: [{ file: 'done.txt' }] },
      });
  });
});

async function containerOf(client: Connection, agentId: string): Promise<string> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}
