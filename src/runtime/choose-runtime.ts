import path from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { toAppError } from '../errors.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import { DockerRuntime } from './docker/docker-runtime.ts';
import { ProcessRuntime } from './process/process-runtime.ts';

const CAUTION =
  "Agents run as processes of this machine. Codex's own sandbox keeps their commands from writing elsewhere and from the network, but they can read what this user can read.";

type RuntimeOptions = {
  config: Config;
  installationId: string;
  /** Whether agents of earlier servers are in containers: elsewhere they would have lost their files. */
  hasContainers?: boolean;
  log: Logger;
};

export type ChosenRuntime = {
  runtime: ContainerRuntime;
  /** Why agents run without containers, if nobody asked for that. */
  warning?: string;
};

/** The runtime that AGENT_RUNTIME names; `auto` takes Docker if it answers now, or did for the agents there are. */
export async function chooseRuntime(options: RuntimeOptions): Promise<ChosenRuntime> {
  const { config, log } = options;
  switch (config.AGENT_RUNTIME) {
    case 'docker':
      return { runtime: new DockerRuntime(options) };
    case 'process':
      log.warn(CAUTION);
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
            'No Docker engine answers, where the agents are; waiting for it',
          );
          return { runtime: docker };
        }
        const warning = `No Docker engine answers: ${toAppError(error).message} ${CAUTION}`;
        log.warn({ err: error }, warning);
        return { runtime: processRuntime(options), warning };
      }
    }
    default:
      return config.AGENT_RUNTIME satisfies never;
  }
}

/** Where agents live that run as processes. */
export function agentsDirectory({ DATA_DIR }: Pick<Config, 'DATA_DIR'>): string {
  return path.resolve(DATA_DIR, 'agents');
}

function processRuntime({ config, log }: RuntimeOptions): ContainerRuntime {
  return new ProcessRuntime({ config, directory: agentsDirectory(config), log });
}
