import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import tar from 'tar-fs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { ENGINE_CALLS } from '../../../src/runtime/engine-guard/engine-calls.ts';
import { containerRuntimeContract } from '../../contract/container-runtime.ts';
import { BASE_IMAGE } from '../../setup/base-image.ts';
import { DockerInstallation } from '../docker-setup.ts';
import { startTestGuard, type TestGuard } from './test-guard.ts';

describe.skipIf(!inject('engine').available)('behind the engine guard', () => {
  let guard: TestGuard;
  let installation: DockerInstallation;
  beforeAll(async () => {
    guard = await startTestGuard();
    installation = new DockerInstallation();
  });
  afterAll(() => guard?.[Symbol.asyncDispose]());

  containerRuntimeContract('Docker', async () => {
    const runtime = () => installation.runtime({ DOCKER_HOST: guard.url });
    return {
      runtime: runtime(),
      restartedServer: runtime,
      dispose: () => installation[Symbol.asyncDispose](),
    };
  });

  test('the image is built of the files of the guard, whatever it is sent', async () => {
    const runtime = installation.runtime({ DOCKER_HOST: guard.url });
    const { image } = await runtime.readiness();
    const before = await installation.docker.getImage(image).inspect();
    const evil = tar.pack(guard.directory, {
      entries: [],
      finalize: false,
      finish: (pack) => {
        pack.entry({ name: 'Dockerfile' }, `FROM ${BASE_IMAGE}\nRUN echo taken over`);
        pack.finalize();
      },
    });
    const docker = new Docker({ socketPath: guard.socket });
    const output = await text(
      Readable.from(
        await docker.buildImage(Readable.from(evil), {
          t: image,
          buildargs: { BASE_IMAGE },
          forcerm: true,
        }),
      ),
    );
    expect(output).not.toContain('taken over');
    expect(output).toContain('Using cache');
    expect((await installation.docker.getImage(image).inspect()).Id).toBe(before.Id);
  });

  test('the base of the image may be pulled', async () => {
    const docker = new Docker({ socketPath: guard.socket });
    // Whether a registry answers is not the guard's.
    await docker.pull(BASE_IMAGE).then(
      (stream) => text(Readable.from(stream)),
      (error) => expect(error.statusCode).not.toBe(403),
    );
    expect(guard.calls).toContain('pullImage');
  });

  test('every call that is let through is one that the server makes', () => {
    expect([...guard.calls].sort()).toEqual(Object.keys(ENGINE_CALLS).sort());
    expect(guard.lines).toEqual([]);
  });

  test('an engine that is away is told apart from a refusal', async () => {
    await using lonely = await startTestGuard({ engine: '/no/such.sock' });
    await expect(installation.runtime({ DOCKER_HOST: lonely.url }).ping()).rejects.toMatchObject({
      code: 'engine_unreachable',
    });
  });
});
