import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../../fakes/stand-in-model/fill-schema.ts';
import { runsOnce, type Script } from '../../fakes/stand-in-model/script.ts';
import { json, shell } from '../../fakes/stand-in-model/step.ts';
import {
  type Connection,
  call,
  connect,
  startTestServer,
  type TestServer,
} from '../test-server.ts';

const engine = inject('engine');
const environment = { CODEX_ANSWER_TIMEOUT: '4' };
/** The prompt holds what to run. */
const runsWhatItIsTold: Script = ({ prompt, toolOutputs, schema }) => {
  const command = /RUN(.*)END/.exec(prompt)?.[1];
  return command && toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema));
};
const AGENT = { agent_id: 'a' };
const run = (command: string) => `RUN${command}END`;

describe.runIf(engine.available)('a container whose Codex was stopped by a command', () => {
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    target = await startTestServer({ runtime: 'docker', script: runsWhatItIsTold, environment });
    client = await connect(target);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
  });

  test('in a turn: it ends with the reason, and the next call goes on', async () => {
    const first = await call(client, 'plan', { ...AGENT, task: 'the-first' });
    const stopping = call(client, 'implement', {
      ...AGENT,
      task: run('echo kept > kept.txt; pkill -STOP -x codex'),
    });
    await expect(stopping).rejects.toMatchObject({
      code: 'codex_failed',
      message: expect.stringMatching(/did not answer for 4 s.*restarted.*kept\.txt/s),
    });
    const next = await call(client, 'plan', { ...AGENT, task: 'the-next' });
    expect(next.session_id).toBe(first.session_id);
    expect(next.notes).toBeUndefined();
  });

  test('after a turn: the next call starts it anew, and goes on', async () => {
    const daemon = 'until [ -e stop ]; do sleep 0.1; done; rm stop; exec pkill -STOP -x codex';
    const first = await call(client, 'implement', {
      ...AGENT,
      task: run(`setsid sh -c "${daemon}" >/dev/null 2>&1 & touch stayed.txt`),
    });
    const container = await containerOf(client, AGENT.agent_id);
    const inside = (...command: string[]) => docker('exec', container, ...command);
    inside('touch', 'stop');
    await expect.poll(() => inside('ps', '-o', 'stat=', '-C', 'codex')).toMatch(/^(T.*\s*)+$/);
    const next = await call(client, 'implement', { ...AGENT, task: run('test -e stayed.txt') });
    expect(next.session_id).toBe(first.session_id);
    expect(next.notes).toEqual([expect.stringContaining('did not answer for 4 s')]);
    expect(inside('ps', '-o', 'stat=', '-C', 'codex')).not.toContain('T');
  });

  test('but for the way to it: the turn completes', async () => {
    const task = run('pkill -STOP -f "[a]pp-server proxy"; sleep 1; echo done > done.txt');
    const result = await call(client, 'implement', { ...AGENT, task });
    expect(result.changes).toMatchObject([{ file: 'done.txt' }]);
    expect(result.notes).toBeUndefined();
  });
});

test('a Codex that was stopped and runs as a process goes on where it was', async () => {
  await using target = await startTestServer({
    runtime: 'process',
    script: runsOnce('sleep 1; echo done > done.txt'),
    environment,
  });
  await using client = await connect(target);
  const running = call(client, 'implement', { ...AGENT, task: 'x' });
  running.catch(() => undefined);
  await expect.poll(() => client.progress.join()).toContain('sleep 1');
  execFileSync('pkill', ['-STOP', '-f', `app-server --listen unix://${target.dataDir}`]);
  expect((await running).changes).toMatchObject([{ file: 'done.txt' }]);
});

async function containerOf(client: Connection, agentId: string): Promise<string> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8' }).trim();
}
