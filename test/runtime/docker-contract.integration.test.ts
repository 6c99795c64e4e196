import { describe, inject } from 'vitest';
import { containerRuntimeContract } from '../contract/container-runtime.ts';
import { DockerInstallation } from './docker-setup.ts';

const engine = inject('engine');
const missing = engine.available ? '' : ` (skipped: ${engine.reason})`;

describe.skipIf(!engine.available)(`with an engine${missing}`, () => {
  containerRuntimeContract('Docker', async () => {
    const installation = new DockerInstallation();
    return {
      runtime: installation.runtime(),
      restartedServer: () => installation.runtime(),
      dispose: () => installation[Symbol.asyncDispose](),
    };
  });
});
