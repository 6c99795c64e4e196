import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { containerOf } from '../git-client.ts';
import {
  type Connection,
  call,
  connect,
  startTestServer,
  type TestServer,
} from '../test-server.ts';
import { type Door, openDoor } from './door.ts';

const engine = inject('engine');
const COMMAND = 'sleep 1.5; echo done >> done.txt';
const ASK = { task: 'x', agent_id: 'a' };

describe.runIf(engine.available)('a turn completes whatever is cut in the middle of it', () => {
  let toEngine: Door;
  let server: TestServer;
  let client: Connection;
  beforeAll(async () => {
    toEngine = await openDoor('/var/run/docker.sock');
    server = await startTestServer({
      runtime: 'docker',
      script: runsOnce(COMMAND),
      environment: { DOCKER_HOST: `tcp://127.0.0.1:${toEngine.port}` },
    });
    client = await connect(server);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await toEngine?.[Symbol.asyncDispose]();
  });

  /** Begins a turn and cuts something while its command runs; answers the result. */
  const cutInTheMiddle = async (cut: () => unknown) => {
    const asked = server.model.requests.length;
    client.progress.length = 0;
    const running = call(client, 'implement', ASK);
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 1.5');
    await cut();
    const result = await running;
    expect(result.changes).toMatchObject([{ file: 'done.txt' }]);
    expect(server.model.requests).toHaveLength(asked + 2);
    return result;
  };

  test.each([
    ['the tunnel', 'codex-mcp/tunnel.mjs'],
    ['the way to Codex', 'app-server proxy'],
    ['the shell of the workspace', 'Runs in the container for as long as'],
  ])('%s is killed in the container', async (_name, commandLine) => {
    const { session_id } = await cutInTheMiddle(async () => {
      const container = await containerOf(server, 'a');
      execFileSync('docker', ['exec', container, 'pkill', '-9', '-f', commandLine]);
    });
    const next = await call(client, 'plan', ASK);
    expect(next.session_id).toBe(session_id);
  });

  test('all connections to the engine break at once', () => cutInTheMiddle(() => toEngine.cut()));

  test.each(['sse', 'http'] as const)('the connection of a client over %s', async (transport) => {
    await using door = await openDoor(Number(new URL(server.url).port));
    await using cut = await connect({ url: `http://127.0.0.1:${door.port}` }, transport);
    call(cut, 'implement', ASK).catch(() => undefined);
    await expect.poll(() => cut.progress.join()).toContain('sleep 1.5');
    await door.shut();
    const { last_turns } = await call(client, 'get_my_session_info', { agent_id: 'a' });
    expect(last_turns[0]).toMatchObject({ state: 'running' });
    const [{ turn_id }] = last_turns;
    await expect
      .poll(() => call(client, 'get_turn', { turn_id }))
      .toMatchObject({
        state: 'completed',
        result: { changes: [{ file: 'done.txt' }] },
      });
  });
});
