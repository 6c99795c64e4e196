/** Containers that were made ahead of the agents that will have them. */
export interface SlotStore {
  add(slot: Pick<Slot, 'slotId' | 'tokenSha256'>): void;
  list(): Slot[];
  /** The slot that an agent claimed. */
  of(agentId: string): Slot | undefined;
  setReady(slotId: string, ready: boolean): void;
  /** Gives an agent a slot that is ready and nobody's, for ever; undefined if there is none. */
  claim(agentId: string): Slot | undefined;
  remove(slotId: string): void;
}

export type Slot = {
  /** What the runtime knows the container by, now and once it is claimed. */
  slotId: string;
  tokenSha256: string;
  /** Whether it may be claimed: its Codex was seen to answer. */
  ready: boolean;
  /** Whose it is. */
  agentId?: string;
};
