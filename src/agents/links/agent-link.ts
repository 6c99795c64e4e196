import type { CodexClient } from '../../codex/codex-client.ts';
import type { AppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { Workspace } from '../../workspaces/workspace.ts';
import { AgentThreads, type AgentThreadsOptions } from '../threads/agent-threads.ts';
import type { ContainerLink } from './container-link.ts';

type LinkOptions = Omit<AgentThreadsOptions, 'codex' | 'onNote'> & { gateway: ModelGateway };

/** An awake agent: its Codex, its threads and its files. */
export class AgentLink {
  readonly codex: CodexClient;
  readonly threads: AgentThreads;
  readonly workspace: Workspace;
  /** Notes for the next caller, who removes them. */
  readonly notes: string[] = [];
  /** Why the container was restarted, which ended a running turn. */
  restartedFor: AppError | undefined;
  readonly #container: ContainerLink;

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
