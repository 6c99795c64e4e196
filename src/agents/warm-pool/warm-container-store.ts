import type { AgentId } from '../../identity/agent-id.ts';
/** Containers that exist before their agents. */
export interface WarmContainerStore {
  add(container: Pick<WarmContainer, 'id' | 'tokenSha256'>): void;
  list(): WarmContainer[];
  /** The container that an agent has claimed. */
  of(agentId: AgentId): WarmContainer | undefined;
  setReady(id: AgentId, ready: boolean): void;
  /** Assigns the oldest ready container to an agent; undefined if there is none. */
  claim(agentId: AgentId): WarmContainer | undefined;
  remove(id: AgentId): void;
}

export type WarmContainer = {
  /** What the runtime takes for the id of an agent, also after the claim. */
  id: AgentId;
  tokenSha256: string;
  /** Whether it can be claimed: its Codex has answered. */
  ready: boolean;
  /** The agent that has claimed it. */
  agentId?: AgentId;
};
