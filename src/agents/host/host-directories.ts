import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { demand } from '../../identity/permission.ts';
import { LOCAL, type Principal } from '../../identity/principal.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { isWithin } from '../../runtime/path-within.ts';
import type { AgentRecord } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import type { WarmContainerStore } from '../warm-pool/warm-container-store.ts';
import { accessProblem } from './host-path.ts';

type Options = {
  store: { warmContainers: WarmContainerStore } & {
    agents: Pick<AgentStore, 'get' | 'list' | 'setWorkspacePath'>;
  };
  runtime: Pick<ContainerRuntime, 'confines'>;
  config: Pick<Config, 'WORKSPACE_ROOTS' | 'DATA_DIR'>;
};

/** Directories of this machine that agents have instead of a workspace of their own. */
export class HostDirectories {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Tells before anything is begun what {@link attach} would refuse. The roots are the operator's, so
   * only administrators of the first tenant may name a directory: others administer no machine.
   * Throws `forbidden` too.
   */
  admit(principal: Principal, agent: AgentRecord, directory: string): void {
    demand(principal, 'administer');
    if (principal.tenant !== LOCAL.tenant) {
      throw new AppError(
        'forbidden',
        `Directories of this machine are for administrators of the tenant "${LOCAL.tenant}".`,
      );
    }
    this.#free(agent, directory);
  }

  /**
   * Gives an agent that never ran a directory for ever; nothing if it has that one already. Answers
   * whether it has it since now. Throws `workspace_path_denied`, `workspace_path_unusable`,
   * `workspace_path_taken` and `workspace_exists`.
   */
  attach(agentId: string, directory: string): boolean {
    const { agents } = this.#options.store;
    const agent = agents.get(agentId);
    if (!agent) throw new AppError('agent_not_found', `Agent ${agentId} was removed.`);
    // From here to the write nobody else gets a turn, so that no two agents get one directory.
    const real = this.#free(agent, directory);
    if (agent.workspacePath === real) return false;
    agents.setWorkspacePath(agentId, real);
    return true;
  }

  /** Throws why the directory of an agent can't be mounted now, though it could when it was given. */
  assertUsable(directory: string): void {
    const real = this.#usable(directory);
    if (real === directory) return;
    throw unusable(directory, `it leads to ${real} now`);
  }

  /** The real path of a directory that is free for the agent. */
  #free(agent: AgentRecord, directory: string): string {
    const real = this.#usable(directory);
    if (agent.workspacePath === real) return real;
    const { agents, warmContainers } = this.#options.store;
    if (
      agent.workspacePath !== undefined ||
      agent.tokenSha256 !== '' ||
      warmContainers.of(agent.agentId)
    ) {
      throw new AppError(
        'workspace_exists',
        `Agent ${agent.name} has a workspace already, which is ${agent.workspacePath ?? 'its own'}.`,
      );
    }
    // Whoever writes above a directory could put a link to anywhere in its place.
    const other = agents.list().find((each) => overlap(each.workspacePath, real));
    if (!other) return real;
    throw new AppError(
      'workspace_path_taken',
      `${real} and ${other.workspacePath}, which is the workspace of agent ${other.name}, overlap.`,
    );
  }

  #usable(directory: string): string {
    const { runtime, config } = this.#options;
    const real = realPath(directory);
    const roots = config.WORKSPACE_ROOTS.map((root) => realPath(root, root));
    if (!path.isAbsolute(directory) || !roots.some((root) => isWithin(root, real ?? directory))) {
      throw denied(directory, roots);
    }
    if (real === undefined)
      throw unusable(directory, 'it does not exist, or the server may not look');
    // There are the secrets of the server.
    const data = path.resolve(config.DATA_DIR);
    if (overlap(realPath(data, data), real)) throw denied(directory, roots);
    const problem = accessProblem(real, { byAgentUser: runtime.confines });
    if (problem !== undefined) throw unusable(real, problem);
    return real;
  }
}

function overlap(one: string | undefined, other: string): boolean {
  return one !== undefined && (isWithin(one, other) || isWithin(other, one));
}

function realPath(directory: string, otherwise: string): string;
function realPath(directory: string): string | undefined;
function realPath(directory: string, otherwise?: string): string | undefined {
  try {
    return fs.realpathSync(directory);
  } catch {
    return otherwise;
  }
}

function denied(directory: string, roots: readonly string[]): AppError {
  const where =
    roots.length > 0 ? `within ${roots.join(' or ')}` : 'open to agents: there are none';
  return new AppError('workspace_path_denied', `${directory} is not a directory ${where}.`);
}

function unusable(directory: string, problem: string): AppError {
  return new AppError('workspace_path_unusable', `${directory} can't be a workspace: ${problem}.`);
}
