import type { CodexClient } from '../../codex/codex-client.ts';
import type { AppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { Workspace } from '../../workspaces/workspace.ts';
import { AgentThreads, type AgentThreadsOptions } from '../threads/agent-threads.ts';
import type { ContainerLink } from './container-link.ts';

type LinkOptions = Omit<AgentThreadsOptions, 'codex' | 'onNote'> & { gateway: ModelGateway };

/** An agent that is awake: its Codex, its threads and its files. */
export class AgentLink {
  readonly codex: CodexClient;
  readonly threads: AgentThreads;
  readonly workspace: Workspace;
  /** What the next caller has to know; whoever tells it takes it away. */
  readonly notes: string[] = [];
  /** What its container was started anew for, and a turn that ran in it ended of. */
  startedAnewFor: AppError | undefined;
  readonly #container: ContainerLink;

  /** Gives an agent the connections to its container. */
  constructor(container: ContainerLink, { gateway, ...options }: LinkOptions) {
    const { codex, workspace } = container;
    this.codex = codex;
    this.workspace = workspace;
    const onNote = (note: string) => void this.notes.push(note);
    this.threads = new AgentThreads({ ...options, codex, onNote });
    this.#container = container;
    container.serve((socket) => gateway.attach(options.agentId, socket));
  }

  close(): Promise<void> {
    return this.#container.close();
  }
}
