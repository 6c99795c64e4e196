/** Containers that exist before their agents. */
export interface WarmContainerStore {
  add(container: Pick<WarmContainer, 'id' | 'tokenSha256'>): void;
  list(): WarmContainer[];
  /** The container that an agent has claimed. */
  of(agentId: string): WarmContainer | undefined;
  setReady(id: string, ready: boolean): void;
  /** Assigns the oldest ready container to an agent; undefined if there is none. */
  claim(agentId: string): WarmContainer | undefined;
  remove(id: string): void;
}

export type WarmContainer = {
  /** Id in the runtime, also after the claim. */
  id: string;
  tokenSha256: string;
  /** Whether it can be claimed: its Codex has answered. */
  ready: boolean;
  /** The agent that has claimed it. */
  agentId?: string;
};
