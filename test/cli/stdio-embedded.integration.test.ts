import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/server/load-config.ts';
import {
  call,
  environmentFor,
  REAL_KEY,
  removeAgents,
  startTestServer,
} from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { shell } from '../fakes/stand-in-model/step.ts';
import { cleanSettings, connectStdio, INITIALIZE, startStdio } from './stdio-program.ts';

let model: StandInModel;
let directory: string;
let settings: Record<string, string>;

beforeAll(async () => {
  model = await startStandInModel({ apiKey: REAL_KEY, script: answerAnything });
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-stdio-'));
});

beforeEach(async () => {
  model.setScript(answerAnything);
  const dataDir = fs.mkdtempSync(path.join(directory, 'data-'));
  settings = {
    ...environmentFor({ runtime: 'process' }, model, dataDir),
    ...(await cleanSettings()),
  };
});

afterAll(async () => {
  await model.close();
  for (const data of fs.readdirSync(directory)) {
    await removeAgents(loadConfig({ ...settings, DATA_DIR: path.join(directory, data) }));
  }
  fs.rmSync(directory, { recursive: true, force: true });
});

test('where no server runs it is one itself, and the agent lives on in the next', async () => {
  for (const _ of ['first', 'second']) {
    await using connection = await connectStdio(['--agent-id', 'mine'], settings);
    expect(await call(connection, 'plan', { task: 'Plan' })).toMatchObject({ agent_id: 'mine' });
    expect(connection.progress.length).toBeGreaterThan(0);
  }
  await using third = await connectStdio(['--agent-id', 'mine'], settings);
  const { last_turns } = await call(third, 'get_my_session_info');
  expect(last_turns).toHaveLength(2);
});

test('clients that start at the same moment share one server', async () => {
  const starting = ['one', 'two', 'three'].map((id) => connectStdio(['--agent-id', id], settings));
  const connections = await Promise.all(starting);
  await Promise.all(connections.map((connection) => call(connection, 'plan', { task: 'Plan' })));
  for (const connection of connections) {
    const { sessions } = await call(connection, 'list_sessions');
    expect(sessions).toHaveLength(3);
  }
  await Promise.all(connections.map(({ client }) => client.close()));
});

test('when the client leaves whose server it was, the next call starts another one', async () => {
  const host = await connectStdio([], settings);
  await using guest = await connectStdio(['--agent-id', 'guest'], settings);
  await call(guest, 'plan', { task: 'Plan' });
  await host.client.close();
  const { last_turns } = await call(guest, 'get_my_session_info');
  expect(last_turns).toHaveLength(1);
});

test('its server closes with it: what runs is interrupted and answered', async () => {
  model.setScript(() => shell('sleep 60'));
  await using program = startStdio([], settings);
  program.send({ id: 0, ...INITIALIZE });
  program.send({ method: 'notifications/initialized' });
  const params = { name: 'implement', arguments: { task: 'Sleep' }, _meta: { progressToken: 7 } };
  program.send({ id: 1, method: 'tools/call', params });
  await expect.poll(() => program.lines.join()).toContain('sleep 60');
  const asked = performance.now();
  program.process.kill('SIGTERM');
  const { code, lines } = await program.ended;
  expect(code).toBe(0);
  expect(performance.now() - asked).toBeLessThan(30_000);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    id: 1,
    result: { isError: true, content: [{ text: expect.stringMatching(/^shutting_down: /) }] },
  });
});

test('a server with the same data at an unknown address is to be named', async () => {
  await using server = await startTestServer({ runtime: 'process', script: answerAnything });
  const { code, stderr } = await startStdio([], { ...settings, DATA_DIR: server.dataDir }).ended;
  expect(code).toBe(1);
  expect(stderr).toContain(`DATA_DIR is "${server.dataDir}", which another running server uses`);
  expect(stderr).toContain('Name that server with --url');
});

test('settings of a .env in the directory of the client are not read', async () => {
  fs.writeFileSync(path.join(directory, '.env'), 'MCP_PORT=many\n');
  await using program = startStdio([], settings, directory);
  program.send({ id: 0, ...INITIALIZE });
  await expect.poll(() => program.lines.length).toBe(1);
  program.leave();
  expect((await program.ended).code).toBe(0);
  fs.rmSync(path.join(directory, '.env'));
});
