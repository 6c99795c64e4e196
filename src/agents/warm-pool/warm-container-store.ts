/** Containers that were made ahead of the agents that will have them. */
export interface WarmContainerStore {
  add(slot: Pick<WarmContainer, 'id' | 'tokenSha256'>): void;
  list(): WarmContainer[];
  /** The slot that an agent claimed. */
  of(agentId: string): WarmContainer | undefined;
  setReady(id: string, ready: boolean): void;
  /** Gives an agent a slot that is ready and nobody's, for ever; undefined if there is none. */
  claim(agentId: string): WarmContainer | undefined;
  remove(id: string): void;
}

export type WarmContainer = {
  /** What the runtime knows the container by, now and once it is claimed. */
  id: string;
  tokenSha256: string;
  /** Whether it may be claimed: its Codex was seen to answer. */
  ready: boolean;
  /** Whose it is. */
  agentId?: string;
};
