import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { SETTING_NAMES } from '../../src/config/settings.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { ComposeProject, SERVICE } from './compose-project.ts';
import { call, connect, REAL_KEY } from './test-server.ts';

const COMPOSE_FILE = path.join(import.meta.dirname, '../../docker-compose.yml');
/**
 * What the image decides: its directories, its engine, and that it has no Codex itself; and the
 * token, which clients have.
 */
const OF_THE_IMAGE = [
  'AGENT_RUNTIME',
  'CODEX_AUTH_DIR',
  'CODEX_BIN',
  'CODEX_MCP_TOKEN',
  'DATA_DIR',
  'DOCKER_CERT_PATH',
  'DOCKER_HOST',
  'DOCKER_TLS_VERIFY',
  'EXTRA_CA_CERTS',
  'OAUTH_TOKEN_STORAGE_PATH',
];
const DOCTOR = ['node', '/app/dist/main.js', 'doctor'];
const HEALTH_LIMIT_MS = 60_000;

test('every setting can be given through docker-compose', () => {
  const file = fs.readFileSync(COMPOSE_FILE, 'utf8');
  const given = SETTING_NAMES.filter((name) => new RegExp(`^ {6}${name}:`, 'm').test(file));
  expect([...new Set([...given, ...OF_THE_IMAGE])].sort()).toEqual([...SETTING_NAMES].sort());
});

describe.skipIf(!inject('engine').available)('the server, started by docker-compose', () => {
  let project: ComposeProject;
  let sessionId: string;

  beforeAll(async () => {
    project = await ComposeProject.create(answerAnything);
    await project.compose('up', '-d', '--build');
    await project.ready();
  });
  afterAll(() => project?.[Symbol.asyncDispose]());

  test('serves a client over SSE', async () => {
    await using client = await connect(project);
    expect(await call(client, 'health_check')).toMatchObject({
      status: 'healthy',
      problems: [],
      runtime: { kind: 'docker', state: 'ready' },
    });
    const plan = await call(client, 'plan', { task: 'Say hello', agent_id: project.agentId });
    expect(plan).toMatchObject({ agent_id: project.agentId, estimated_complexity: 'low' });
    sessionId = plan.session_id;
  });

  test('is not root, has no privilege and can write nothing but its data', async () => {
    const status = await project.compose('exec', '-T', SERVICE, 'cat', '/proc/1/status');
    expect(status).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    const { HostConfig, Mounts } = await project.server();
    expect(HostConfig).toMatchObject({ Privileged: false, ReadonlyRootfs: true });
    const writable = Mounts.filter(({ RW }) => RW).map(({ Destination }) => Destination);
    expect(writable.sort()).toEqual(['/data', '/var/run/docker.sock']);
  });

  test('keeps a key of its configuration volume to itself', async () => {
    expect(JSON.stringify(await project.server())).not.toContain(REAL_KEY);
    expect(JSON.stringify(await project.agent())).not.toContain(REAL_KEY);
    expect(await project.compose('logs', SERVICE)).not.toContain(REAL_KEY);
  });

  test('locks its agents down', async () => {
    const { Config, HostConfig, Mounts } = await project.agent();
    expect(Config.User).toBe('1000:1000');
    expect(HostConfig).toMatchObject({
      CapDrop: ['ALL'],
      NetworkMode: 'none',
      Privileged: false,
      ReadonlyRootfs: true,
      SecurityOpt: ['no-new-privileges'],
    });
    expect(Mounts.map(({ Type, Destination }) => [Type, Destination]).sort()).toEqual([
      ['volume', '/home/agent'],
      ['volume', '/workspace'],
    ]);
  });

  test('has a doctor beside it', async () => {
    const report = await project.compose('exec', '-T', SERVICE, ...DOCTOR);
    expect(report).toMatch(/^✓ Server +answers at .* healthy$/m);
    expect(report).toMatch(/^✓ Agents +1 agent; containers: 1 running/m);
    expect(report).toMatch(/^0 problems/m);
  });

  test('is healthy for the engine, and can be reached from this machine only', async () => {
    const deadline = Date.now() + HEALTH_LIMIT_MS;
    while ((await project.server()).State.Health?.Status === 'starting' && Date.now() < deadline) {
      await sleep(500);
    }
    const { State, NetworkSettings } = await project.server();
    expect(State.Health?.Status).toBe('healthy');
    expect(NetworkSettings.Ports['8210/tcp']?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);
  });

  test('ends in time although a client is connected, and its agent goes on afterwards', async () => {
    {
      await using _client = await connect(project);
      await project.compose('stop');
    }
    // A server that needs longer than its grace is killed.
    expect((await project.server()).State).toMatchObject({ Status: 'exited', ExitCode: 0 });
    const report = await project.compose('run', '--rm', SERVICE, ...DOCTOR, '--repair');
    expect(report).toMatch(/^✓ Server +none runs/m);
    expect(report).toMatch(/^0 problems/m);

    await project.compose('up', '-d');
    await project.ready();
    await using client = await connect(project);
    const plan = await call(client, 'plan', { task: 'Go on', agent_id: project.agentId });
    expect(plan.session_id).toBe(sessionId);
  });

  test('has its data outlive its container', async () => {
    await project.compose('down');
    await project.compose('up', '-d');
    await project.ready();
    await using client = await connect(project);
    const review = await call(client, 'review', { content: 'It', agent_id: project.agentId });
    expect(review.session_id).toBe(sessionId);
  });
});
