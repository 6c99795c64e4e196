import { afterAll, describe, expect, inject, test } from 'vitest';
import { diagnose } from '../cli/doctor-rig.ts';
import { call, connect, startTestServer } from '../e2e/test-server.ts';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { DockerInstallation, outcome } from './docker-setup.ts';

const engine = inject('engine');
const TEST_MS = 180_000;

describe.skipIf(!engine.available)('with CONTAINER_RUNTIME', async () => {
  const installation = new DockerInstallation();
  const { Runtimes = {} } = engine.available ? await installation.docker.info() : {};
  const hasGvisor = 'runsc' in Runtimes;
  afterAll(() => installation[Symbol.asyncDispose]());

  test('unset, containers have the runtime that the engine takes', async () => {
    const runtime = installation.runtime();
    await runtime.create({ agentId: 'plain', env: {} });
    const { id = '' } = (await runtime.inspect('plain')) ?? {};
    const { HostConfig } = await installation.docker.getContainer(id).inspect();
    const { DefaultRuntime } = await installation.docker.info();
    expect(HostConfig.Runtime).toBe(DefaultRuntime);
  });

  test('another runtime replaces the container on its next start, and not its files', async () => {
    const before = installation.runtime();
    await before.create({ agentId: 'moved', env: {} });
    const first = await before.inspect('moved');
    const after = installation.runtime({ CONTAINER_RUNTIME: 'runc' });
    expect(await after.inspect('moved')).toMatchObject({ id: first?.id, outdated: true });
    await after.create({ agentId: 'moved', env: {} });
    const second = await after.inspect('moved');
    expect(second).toMatchObject({ outdated: false });
    expect(second?.id).not.toBe(first?.id);
    expect(await after.listVolumes()).toContainEqual(
      expect.objectContaining({ agentId: 'moved', holdsWorkspace: true }),
    );
  });

  test('an unknown one is told at the start, in health, by the doctor and by calls', async () => {
    const unknown = { CONTAINER_RUNTIME: 'no-such' };
    const message = /has no runtime "no-such" \(CONTAINER_RUNTIME\); its runtimes are .*runc/;
    const runtime = installation.runtime(unknown);
    await expect(runtime.prepare(() => undefined)).rejects.toMatchObject({
      code: 'runtime_missing',
      message: expect.stringMatching(message),
    });
    await expect(runtime.create({ agentId: 'none', env: {} })).rejects.toMatchObject({
      code: 'runtime_missing',
    });
    await using server = await startTestServer({
      runtime: 'docker',
      script: runsOnce('true'),
      environment: unknown,
    });
    await using client = await connect(server);
    expect(await call(client, 'health_check')).toMatchObject({
      ready: false,
      problems: [expect.stringMatching(message)],
    });
    const { complaints } = await diagnose({
      AGENT_RUNTIME: 'docker',
      DATA_DIR: server.dataDir,
      OPENAI_API_KEY: 'sk-x',
      ...unknown,
    });
    expect(complaints).toContainEqual(expect.stringMatching(message));
  });

  test.runIf(hasGvisor)(
    'runsc, agents work on a kernel of their own',
    async () => {
      const runtime = installation.runtime({ CONTAINER_RUNTIME: 'runsc' });
      await runtime.prepare(() => undefined);
      await runtime.create({ agentId: 'apart', env: {} });
      await runtime.start('apart');
      const { stdout } = await outcome(await runtime.exec('apart', ['cat', '/proc/version']));
      expect(stdout).toMatch(/^Linux version 4\.4\.0/);
      await using server = await startTestServer({
        runtime: 'docker',
        script: runsOnce('echo made within > made.txt'),
        environment: { CONTAINER_RUNTIME: 'runsc' },
      });
      await using client = await connect(server);
      const made = await call(client, 'implement', { task: 'Make it', agent_id: 'gvisor' });
      expect(made.changes).toMatchObject([{ file: 'made.txt', action: 'create' }]);
    },
    TEST_MS,
  );
});
