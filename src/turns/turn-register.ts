import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { LiveTurn } from './live-turn.ts';
import type { TurnRecord } from './turn.ts';
import type { TurnQuery, TurnStore } from './turn-store.ts';

/** Finds turns: live ones in memory, all others in the store. */
export class TurnRegister {
  readonly #store: Pick<TurnStore, 'get' | 'list'>;
  /** Turns that have not ended, or whose end is not written yet. */
  readonly #live = new Map<string, LiveTurn>();

  constructor(store: Pick<TurnStore, 'get' | 'list'>) {
    this.#store = store;
  }

  add(live: LiveTurn): void {
    this.#live.set(live.record.turnId, live);
  }

  /** The store has the end of the turn. */
  remove({ turnId }: TurnRecord): void {
    this.#live.delete(turnId);
  }

  /** Returns undefined for a turn that does not exist or has ended. */
  live(turnId: string): LiveTurn | undefined {
    return this.#live.get(turnId);
  }

  allLive(): LiveTurn[] {
    return [...this.#live.values()];
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnRecord {
    const record = this.#live.get(turnId)?.record ?? this.#store.get(turnId);
    if (record) return record;
    throw noTurn(turnId);
  }

  /** The newest first. */
  list(query: TurnQuery): TurnRecord[] {
    return this.#store.list(query).map((record) => this.#live.get(record.turnId)?.record ?? record);
  }

  /** The turn of an agent that Codex works on. */
  current(agentId: AgentId): TurnRecord | undefined {
    return this.allLive()
      .map(({ record }) => record)
      .find((record) => record.agentId === agentId && record.sent && !record.endedAt);
  }

  /** How many turns of a principal have not ended. */
  countOf(principal: string | undefined): number {
    return this.allLive().filter(({ record }) => record.request.principal === principal).length;
  }
}

export function noTurn(turnId: string): AppError {
  return new AppError('turn_not_found', `There is no turn "${turnId}".`);
}
