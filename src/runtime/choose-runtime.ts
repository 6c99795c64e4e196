import path from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { toAppError } from '../errors.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import { DockerRuntime } from './docker/docker-runtime.ts';
import { ProcessRuntime } from './process/process-runtime.ts';

const UNCONFINED_WARNING =
  "Agents run as processes of this machine. Codex's own sandbox blocks writes outside of the workspace and the network, but agents can read every file that this user can read.";

type RuntimeOptions = {
  config: Config;
  installationId: string;
  /** Whether earlier agents run in containers; another runtime would not have their files. */
  hasContainers?: boolean;
  log: Logger;
};

export type ChosenRuntime = {
  runtime: ContainerRuntime;
  /** Why `auto` chose processes. */
  warning?: string;
};

/** The runtime of AGENT_RUNTIME; `auto` is Docker if the engine answers or earlier agents run in containers. */
export async function chooseRuntime(options: RuntimeOptions): Promise<ChosenRuntime> {
  const { config, log } = options;
  switch (config.AGENT_RUNTIME) {
    case 'docker':
      return { runtime: new DockerRuntime(options) };
    case 'process':
      log.warn(UNCONFINED_WARNING);
      return { runtime: processRuntime(options) };
    case 'auto': {
      const docker = new DockerRuntime(options);
      try {
        await docker.ping();
        return { runtime: docker };
      } catch (error) {
        if (options.hasContainers) {
          log.error(
            { err: error },
            'The Docker engine of the agents does not answer; waiting for it',
          );
          return { runtime: docker };
        }
        const warning = `The Docker engine does not answer: ${toAppError(error).message} ${UNCONFINED_WARNING}`;
        log.warn({ err: error }, warning);
        return { runtime: processRuntime(options), warning };
      }
    }
    default:
      return config.AGENT_RUNTIME satisfies never;
  }
}

/** Directory of agents that run as processes. */
export function agentsDirectory({ DATA_DIR }: Pick<Config, 'DATA_DIR'>): string {
  return path.resolve(DATA_DIR, 'agents');
}

function processRuntime({ config, log }: RuntimeOptions): ContainerRuntime {
  return new ProcessRuntime({ config, directory: agentsDirectory(config), log });
}
