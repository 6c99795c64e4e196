import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
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

/** Directories of the machine that serve as workspaces. */
export class HostDirectories {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Throws the errors of {@link attach} in advance, and `forbidden`: the roots belong to the operator, so
   * only administrators of the first tenant may use them.
   */
  admit(principal: Principal, agent: AgentRecord, directory: string): void {
    demand(principal, 'administer');
    if (principal.tenant !== LOCAL.tenant) {
      throw new AppError(
        'forbidden',
        `Only administrators of the tenant "${LOCAL.tenant}" may use directories of the machine.`,
      );
    }
    this.#available(agent, directory);
  }

  /**
   * Sets the directory of an agent that never ran; returns false if the agent has it already. Throws
   * `workspace_path_denied`, `workspace_path_unusable`, `workspace_path_taken` and `workspace_exists`.
   */
  attach(agentId: AgentId, directory: string): boolean {
    const { agents } = this.#options.store;
    const agent = agents.get(agentId);
    if (!agent) throw new AppError('agent_not_found', `The agent ${agentId} was removed.`);
    // No await up to the write, so two agents cannot get the same directory.
    const real = this.#available(agent, directory);
    if (agent.workspacePath === real) return false;
    agents.setWorkspacePath(agentId, real);
    return true;
  }

  /** Throws `workspace_path_denied` or `workspace_path_unusable` if the directory has changed. */
  assertUsable(directory: string): void {
    const real = this.#usable(directory);
    if (real === directory) return;
    throw unusable(directory, `it is now a link to ${real}`);
  }

  /** The real path of a directory that no other agent uses. */
  #available(agent: AgentRecord, directory: string): string {
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
        `The agent ${agent.name} has a workspace already: ${agent.workspacePath ?? 'a volume'}.`,
      );
    }
    // An agent that can write to the parent of a directory could replace it by a link.
    const other = agents.list().find((each) => overlap(each.workspacePath, real));
    if (!other) return real;
    throw new AppError(
      'workspace_path_taken',
      `${real} overlaps with ${other.workspacePath}, the workspace of agent ${other.name}.`,
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
      throw unusable(directory, 'it does not exist, or the server cannot read it');
    // DATA_DIR contains secrets of the server.
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
    roots.length > 0 ? `within ${roots.join(' or ')}` : 'within WORKSPACE_ROOTS, which is empty';
  return new AppError('workspace_path_denied', `${directory} is not a directory ${where}.`);
}

function unusable(directory: string, problem: string): AppError {
  return new AppError('workspace_path_unusable', `${directory} cannot be a workspace: ${problem}.`);
}
