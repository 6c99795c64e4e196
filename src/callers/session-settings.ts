import path from 'node:path';
import type { ThreadSettings } from '../agents/threads/thread.ts';
import type { Config } from '../config/config.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { invalidField } from './invalid-field.ts';

type Services = {
  runtime: Pick<ContainerRuntime, 'confines' | 'layout'>;
  config: Pick<Config, 'CODEX_SANDBOX_MODE'>;
};

/** Fills in what was left out. Throws `invalid_input` for what the runtime cannot give. */
export function sessionSettings(
  { runtime, config }: Services,
  given: Partial<ThreadSettings>,
): ThreadSettings {
  const { sandbox = config.CODEX_SANDBOX_MODE, approvalPolicy = 'never', cwd } = given;
  if (sandbox === 'danger-full-access' && !runtime.confines) {
    throw invalidField('sandbox', 'full access requires agents that run in containers');
  }
  return { ...given, sandbox, approvalPolicy, cwd: cwd && relativeDirectory(runtime, cwd) };
}

/** All containers have the workspace at the same path. */
function relativeDirectory(runtime: Services['runtime'], cwd: string): string {
  const { workspace } = runtime.layout('any');
  const directory = path.posix.relative(workspace, path.posix.resolve(workspace, cwd));
  if (directory === '') return '.';
  if (directory === '..' || directory.startsWith('../')) {
    throw invalidField('cwd', `it is outside of the agent's workspace, ${workspace}; leave it out`);
  }
  // The directory may be a link to anywhere, and Codex's own sandbox allows writes there.
  if (!runtime.confines) {
    throw invalidField('cwd', 'only agents in containers work in another directory');
  }
  return directory;
}
