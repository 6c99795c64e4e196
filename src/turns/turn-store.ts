import type { AgentId } from '../identity/agent-id.ts';
import type { TurnEvent } from './events/turn-event.ts';
import type { TurnRecord } from './turn.ts';

export interface TurnStore {
  get(turnId: string): TurnRecord | undefined;
  /** The turn of an earlier call with this key. */
  findByKey(agentId: AgentId, idempotencyKey: string): TurnRecord | undefined;
  /** Inserts or replaces. */
  put(turn: TurnRecord): void;
  /** Turns of some agents, or of all, the last one put for the first time first. */
  list(query: TurnQuery): TurnRecord[];
  count(agentId: AgentId): number;
  /** Turns that have not ended, in the order in which they were put for the first time. */
  unfinished(): TurnRecord[];
  /** Removes turns that ended before a time, the oldest first, with their events. Returns how many. */
  removeEnded(options: { endedBefore: Date; limit: number }): number;
  /** Appends events of a turn. `seq` begins with 1 and has no gaps. */
  appendEvents(turnId: string, events: readonly JournaledEvent[]): void;
  /** Events of a turn after a number, in order. */
  events(turnId: string, options: { after: number; limit: number }): JournaledEvent[];
}

/** All given conditions must hold. */
export type TurnQuery = {
  agentIds?: readonly AgentId[];
  /** Id of the principal that owns the agents. */
  owner?: string;
  tenant?: string;
  /** Id of a turn: only turns after it in the list. */
  before?: string;
  limit: number;
};

export type JournaledEvent = { seq: number; at: Date; event: TurnEvent };
