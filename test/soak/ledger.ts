import type { Work } from './job.ts';

/** How a call ended, as its caller saw it. */
export type CallEnd = {
  way: string;
  tool: string;
  /** `completed`, an error code, or what the caller did to it. */
  outcome: string;
  ms: number;
};

/** A turn that the server said it has. */
type KnownTurn = {
  agentId: string;
  since: number;
  /** Whether a caller was told of its end. */
  ended: boolean;
};

/** Everything that callers asked for and were told. */
export class Ledger {
  readonly calls: CallEnd[] = [];
  /** The work behind each mark. */
  readonly works = new Map<string, Work>();
  readonly turns = new Map<string, KnownTurn>();
  /** What must never happen, in words. */
  readonly problems: string[] = [];
  readonly #conversations = new Map<string, { sessionId: string; since: number }>();
  readonly #changed: { agentId: string; mark: string; since: number }[] = [];
  readonly #removals = new Map<string, number>();
  readonly #counts = new Map<string, number>();

  submitted(turnId: string, { agentId }: Work): void {
    if (!this.turns.has(turnId))
      this.turns.set(turnId, { agentId, since: Date.now(), ended: false });
  }

  ended(turnId: string): void {
    const turn = this.turns.get(turnId);
    if (turn) turn.ended = true;
  }

  /** Notes in which conversation a turn was completed: that of its agent until that is removed. */
  answeredIn(sessionId: string, { agentId, mark }: Work): void {
    const known = this.#conversations.get(agentId);
    this.#conversations.set(agentId, { sessionId, since: Date.now() });
    if (!known || known.sessionId === sessionId) return;
    this.#changed.push({ agentId, mark, since: known.since });
  }

  /** Conversations that gave way to others although nobody removed their agents. */
  lostConversations(): string[] {
    return this.#changed
      .filter((each) => !this.mayBeForgotten(each))
      .map(({ agentId, mark }) => `${agentId} has another conversation in ${mark} than before`);
  }

  /** A clean-up removed these agents, or may have: the server forgets their turns with them. */
  removed(agentIds: Iterable<string>): void {
    for (const agentId of agentIds) this.#removals.set(agentId, Date.now());
  }

  mayBeForgotten({ agentId, since }: Pick<KnownTurn, 'agentId' | 'since'>): boolean {
    return (this.#removals.get(agentId) ?? 0) >= since;
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, this.counted(what) + by);
  }

  /** All counts whose names begin like this. */
  countsOf(prefix: string): [string, number][] {
    return [...this.#counts].filter(([what]) => what.startsWith(prefix));
  }

  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }
}
