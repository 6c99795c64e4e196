import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { call, startTestServer, type TestServer } from '../e2e/test-server.ts';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { cleanSettings, connectStdio, INITIALIZE, lineTo, startStdio } from './stdio-program.ts';

let server: TestServer;
let settings: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { MAX_BODY_BYTES: '20000' },
  });
  settings = await cleanSettings();
});

beforeEach(() => server.model.setScript(answerAnything));

afterAll(() => server?.[Symbol.asyncDispose]());

test('the running server of the same settings is found, and its tools are listed', async () => {
  const { port } = new URL(server.url);
  await using connection = await connectStdio(['--url='], { ...settings, MCP_PORT: port });
  const overHttp = await fetch(`${server.url}/tools`).then((response) => response.json());
  expect(await connection.client.listTools()).toEqual(overHttp);
  await call(connection, 'plan', { task: 'Say hello', agent_id: 'found' });
  expect(server.model.requests.at(-1)?.seen.prompt).toContain('Say hello');
});

test('progress comes through, and a cancel ends the turn', async () => {
  server.model.setScript(() => shell('sleep 60'));
  await using connection = await connectStdio(['--url', server.url], settings);
  const cancel = new AbortController();
  const task = { task: 'Sleep', agent_id: 'sleeper' };
  const running = call(connection, 'implement', task, { signal: cancel.signal });
  running.catch(() => undefined);
  await expect.poll(() => connection.progress.join()).toContain('sleep 60');
  cancel.abort();
  await expect(running).rejects.toThrow('abort');
  await expect
    .poll(() => call(connection, 'get_my_session_info', { agent_id: 'sleeper' }))
    .toMatchObject({ last_turns: [{ state: 'interrupted', error_code: 'cancelled' }] });
});

test('two clients at once have their own agents', async () => {
  server.model.setScript(({ toolOutputs, schema }) =>
    toolOutputs.length === 0 ? shell('sleep 1') : json(fillSchema(schema)),
  );
  await using first = await connectStdio(['--url', server.url], settings);
  await using second = await connectStdio(
    ['--url', `${server.url}/sse`, '--agent-id', 'named'],
    settings,
  );
  const plans = [first, second].map((one) => call(one, 'plan', { task: 'Work' }));
  const [mine, yours] = await Promise.all(plans);
  expect(mine.agent_id).toMatch(/^stdio-[0-9a-f]{8}$/);
  expect(yours.agent_id).toBe('named');
});

test('what the server refuses is told in its own words', async () => {
  await using connection = await connectStdio(['--url', server.url], settings);
  const tooLarge = call(connection, 'plan', { task: 'x'.repeat(20_000) });
  await expect(tooLarge).rejects.toMatchObject({
    code: -32602,
    data: { code: 'body_too_large' },
  });
  await call(connection, 'health_check');
});

test('a call whose server is lost is answered, and the next one reaches it again', async () => {
  server.model.setScript(() => shell('sleep 5'));
  await using line = await lineTo(server);
  await using connection = await connectStdio(['--url', line.url], settings);
  const before = await call(connection, 'get_my_session_info');
  const running = call(connection, 'implement', { task: 'Sleep', agent_id: 'orphan' });
  running.catch(() => undefined);
  await expect.poll(() => connection.progress.join()).toContain('sleep 5');
  await line.cut();
  await expect(running).rejects.toMatchObject({
    code: -32000,
    data: { code: 'shutting_down', retryable: true },
  });
  server.model.setScript(answerAnything);
  const next = call(connection, 'get_my_session_info');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await line.mend();
  expect((await next).agent_id).toBe(before.agent_id);
  // The client has gone, its turn has not.
  await expect
    .poll(() => call(connection, 'get_my_session_info', { agent_id: 'orphan' }))
    .toMatchObject({ last_turns: [{ state: 'completed' }] });
});

test('while the server stays away, calls are refused with what to do', async () => {
  await using line = await lineTo(server);
  await using connection = await connectStdio(['--url', line.url], settings);
  await line.cut();
  const calls = [1, 2].map(() => call(connection, 'health_check'));
  for (const refused of await Promise.allSettled(calls)) {
    expect(refused).toMatchObject({
      reason: {
        message: expect.stringContaining(`No codex-mcp-server answers at ${line.url}`),
        data: { code: 'shutting_down' },
      },
    });
  }
});

test('standard output carries JSON-RPC only, and the end of standard input ends it', async () => {
  await using program = startStdio(['--url', server.url], { ...settings, LOG_LEVEL: 'trace' });
  program.send({ id: 0, ...INITIALIZE });
  program.send({ method: 'notifications/initialized' });
  program.process.stdin?.write('{"no": "message"}\nnor this\n');
  program.send({ id: 'a', method: 'tools/list' });
  await expect.poll(() => program.lines.length).toBe(2);
  program.leave();
  const { code, lines, stderr } = await program.ended;
  expect(code).toBe(0);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { jsonrpc: '2.0', id: 0, result: expect.any(Object) },
    { jsonrpc: '2.0', id: 'a', result: expect.any(Object) },
  ]);
  expect(stderr).toContain('Bad message from the client');
});

test('SIGTERM ends it, and what was asked is answered first', async () => {
  server.model.setScript(() => shell('sleep 60'));
  await using program = startStdio(['--url', server.url], settings);
  program.send({ id: 0, ...INITIALIZE });
  program.send({ method: 'notifications/initialized' });
  const params = { name: 'implement', arguments: { task: 'Sleep', agent_id: 'terminated' } };
  program.send({ id: 1, method: 'tools/call', params });
  await expect.poll(() => program.lines.length).toBe(1);
  program.process.kill('SIGTERM');
  const { code, lines } = await program.ended;
  expect(code).toBe(0);
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({
    id: 1,
    error: { data: { code: 'shutting_down' } },
  });
});

test.each([
  {
    args: ['--url', 'http://127.0.0.1:1'],
    code: 1,
    says: /^No codex-mcp-server answers at .*:1: /,
  },
  { args: ['--url', 'localhost'], code: 2, says: /^--url is "localhost"\. Allowed: an http/ },
  {
    args: ['--agent-id', '../up'],
    code: 2,
    says: /^--agent-id is "\.\.\/up", but must be 1 to 64/,
  },
  { args: ['--bogus'], code: 2, says: /^Unknown option '--bogus'/ },
])('$args is a clear error', async ({ args, code, says }) => {
  const ended = await startStdio(args, settings).ended;
  expect(ended).toMatchObject({ code, lines: [], stderr: expect.stringMatching(says) });
});
