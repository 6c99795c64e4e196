import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { ComposeProject } from './compose-project.ts';
import { call, connect } from './test-server.ts';

const DOCTOR = ['node', '/app/dist/main.js', 'doctor'];
const GUARDED = 'codex-mcp-guarded';
const GUARD = 'engine-guard';

describe.skipIf(!inject('engine').available)('the server behind the guard, by compose', () => {
  let project: ComposeProject;

  beforeAll(async () => {
    project = await ComposeProject.create(answerAnything, GUARDED);
    await project.compose('up', '-d', '--build');
    await project.ready();
  });
  afterAll(() => project?.[Symbol.asyncDispose]());

  test('works, and so does its doctor', async () => {
    await using client = await connect(project);
    const plan = await call(client, 'plan', { task: 'Say hello', agent_id: project.agentId });
    expect(plan).toMatchObject({ agent_id: project.agentId });
    expect((await project.agent()).HostConfig.NetworkMode).toBe('none');
    expect(await project.compose('exec', '-T', GUARDED, ...DOCTOR)).toMatch(/^0 problems/m);
    expect(await project.compose('logs', GUARD)).not.toContain('Refused');
  });

  test('has nothing of the engine, and nothing to write but its data', async () => {
    const { Mounts, HostConfig, Config } = await project.server();
    expect(JSON.stringify(Mounts)).not.toContain('docker.sock');
    expect(HostConfig.GroupAdd ?? []).toEqual([]);
    expect(Config.User).toBe('10001:10001');
    const writable = Mounts.filter(({ RW }) => RW).map(({ Destination }) => Destination);
    expect(writable).toEqual(['/data']);
  });

  test('is guarded by a container that is not root and has no network', async () => {
    const guard = await project.docker.getContainer(`${project.name}-guard`).inspect();
    expect(guard.Config.User).toBe('10001:10001');
    expect(guard.HostConfig).toMatchObject({
      CapDrop: ['ALL'],
      NetworkMode: 'none',
      Privileged: false,
      ReadonlyRootfs: true,
    });
    expect(guard.HostConfig.SecurityOpt).toContain('no-new-privileges:true');
    expect(guard.State.Health?.Status).toBe('healthy');
    expect(JSON.stringify(guard.Config.Env)).not.toMatch(/KEY|SECRET|TOKEN/);
    const status = await project.compose('exec', '-T', GUARD, 'cat', '/proc/1/status');
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  });

  test('cannot make itself root of the machine', async () => {
    const request = `require('node:http').request({ socketPath: '/run/engine/docker.sock', method: 'POST', path: '/containers/create?name=x', headers: { 'Content-Length': 2 } }, (answer) => answer.pipe(process.stdout)).end('{}')`;
    const answer = await project.compose('exec', '-T', GUARDED, 'node', '-e', request);
    expect(answer).toContain('The engine guard refuses POST /containers/create');
    expect(await project.compose('logs', GUARD)).toContain('Refused');
  });
});
