import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { Principal } from '../identity/principal.ts';
import type { ApprovalRecord, ApprovalState } from './approval.ts';
import { assertMayDecide, withDecision } from './approval-rules.ts';
import type { ApprovalQuery, ApprovalStore } from './approval-store.ts';
import { boundArguments } from './bound-arguments.ts';

/** Limits of one turn, whose container may send any number of requests. */
const MOST_PENDING = 16;
const MOST_KEPT = 200;
const OPERATION_CHARACTERS = 500;

type ApprovalsOptions = {
  store: ApprovalStore;
  config: Pick<Config, 'APPROVAL_TIMEOUT'>;
  /** An open server has one user. */
  authenticator: { readonly isOpen: boolean };
  log: Logger;
};

export type ApprovalRequest = Omit<
  ApprovalRecord,
  'approvalId' | 'decisions' | 'answers' | 'state' | 'createdAt' | 'expiresAt'
>;

export type Verdict = {
  approve: boolean;
  reason?: string | undefined;
  /** Answers to a `user_input`, by question. */
  answers?: Record<string, string> | undefined;
};

export type ApprovalEvent = {
  type: 'approval_requested' | 'approval_decided';
  approval: ApprovalRecord;
};

type Pending = {
  approval: ApprovalRecord;
  timer: NodeJS.Timeout;
  ended: PromiseWithResolvers<ApprovalRecord>;
};

/**
 * Requests that wait for approvers. Each ends approved, declined, expired, or superseded by the end of
 * its turn. Pending ones are stored, so the next server continues with them.
 */
export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #listeners = new Set<(event: ApprovalEvent) => void>();

  constructor(options: ApprovalsOptions) {
    this.#options = options;
    for (const approval of options.store.pending()) this.#await(approval);
  }

  /**
   * Creates an approval, or returns the earlier one of the same request, which may have ended.
   * Undefined if the turn is over its limit of requests.
   */
  request(wanted: ApprovalRequest): ApprovalRecord | undefined {
    const { store, config } = this.#options;
    const earlier = store.find(wanted.turnId, wanted.requestKey);
    if (earlier) return this.#pending.get(earlier.approvalId)?.approval ?? earlier;
    if (this.pendingOf(wanted.turnId).length >= MOST_PENDING) return undefined;
    if (store.count(wanted.turnId) >= MOST_KEPT) return undefined;
    const createdAt = new Date();
    const approval: ApprovalRecord = {
      ...wanted,
      operation: wanted.operation.slice(0, OPERATION_CHARACTERS),
      arguments: boundArguments(wanted.arguments),
      approvalId: randomUUID(),
      decisions: [],
      state: 'pending',
      createdAt,
      expiresAt: new Date(createdAt.getTime() + config.APPROVAL_TIMEOUT * 1000),
    };
    store.put(approval);
    this.#await(approval);
    this.#emit({ type: 'approval_requested', approval });
    return approval;
  }

  /** Resolves when the approval has ended. */
  async outcome(approvalId: string): Promise<ApprovalRecord> {
    return this.#pending.get(approvalId)?.ended.promise ?? this.get(approvalId);
  }

  /** Throws `approval_not_found`. */
  get(approvalId: string): ApprovalRecord {
    const approval = this.#pending.get(approvalId)?.approval ?? this.#options.store.get(approvalId);
    if (approval) return approval;
    throw noApproval(approvalId);
  }

  /** The newest first. */
  list(query: ApprovalQuery): ApprovalRecord[] {
    return this.#options.store.list(query);
  }

  pendingOf(turnId: string): ApprovalRecord[] {
    return [...this.#pending.values()]
      .map(({ approval }) => approval)
      .filter((approval) => approval.turnId === turnId);
  }

  /** Turns that wait for approval: of one agent, and of all. */
  waitingTurns(agentId: AgentId): { ofAgent: number; inAll: number } {
    const turns = [...this.#pending.values()].filter(({ approval }) => approval.kind === 'turn');
    const ofAgent = turns.filter(({ approval }) => approval.agentId === agentId).length;
    return { ofAgent, inAll: turns.length };
  }

  /** Throws `forbidden`. */
  assertMayDecide(approval: ApprovalRecord, principal: Principal): void {
    assertMayDecide(approval, principal, this.#options.authenticator);
  }

  /** Records a decision; returns the approval after it. Throws `forbidden` or `approval_not_pending`. */
  decide(approvalId: string, principal: Principal, verdict: Verdict): ApprovalRecord {
    this.assertMayDecide(this.get(approvalId), principal);
    const waiting = this.#pending.get(approvalId);
    if (waiting && waiting.approval.expiresAt.getTime() <= Date.now()) this.#expire(waiting);
    const approval = this.get(approvalId);
    const { approve, reason, answers } = verdict;
    const next = withDecision(approval, { by: principal.id, approve, reason, at: new Date() });
    if (next === approval) return approval;
    const given = { ...next, ...(answers && { answers }) };
    this.#options.store.put(given);
    if (waiting) this.#update(waiting, given);
    this.#options.log.info(
      { approvalId, turnId: given.turnId, by: principal.id, approve, state: given.state },
      'Approval decided',
    );
    return given;
  }

  /** Ends the pending approvals of a turn that has ended. */
  supersede(turnId: string): void {
    for (const { approvalId } of this.pendingOf(turnId)) {
      const waiting = this.#pending.get(approvalId);
      if (waiting) this.#endWith(waiting, 'superseded');
    }
  }

  /** Adds a listener; returns its removal. */
  listen(listener: (event: ApprovalEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops the timers. Pending approvals stay pending for the next server. */
  close(): void {
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
  }

  #await(approval: ApprovalRecord): void {
    const longest = this.#options.config.APPROVAL_TIMEOUT * 1000;
    // Bounded, as a clock that was set back would extend the time.
    const left = Math.min(longest, Math.max(0, approval.expiresAt.getTime() - Date.now()));
    const timer = setTimeout(() => this.#expire(waiting), left);
    const waiting: Pending = { approval, timer, ended: Promise.withResolvers() };
    this.#pending.set(approval.approvalId, waiting);
  }

  #expire(waiting: Pending): void {
    this.#endWith(waiting, 'expired');
  }

  /** Ends the approval even if the write fails: it grants nothing, and the next server ends it again. */
  #endWith(waiting: Pending, state: ApprovalState): void {
    const ended = { ...waiting.approval, state };
    try {
      this.#options.store.put(ended);
    } catch (error) {
      this.#options.log.error(
        { err: error, approvalId: ended.approvalId },
        'The end of an approval could not be written',
      );
    }
    this.#update(waiting, ended);
  }

  #update(waiting: Pending, approval: ApprovalRecord): void {
    waiting.approval = approval;
    if (approval.state !== 'pending') {
      clearTimeout(waiting.timer);
      this.#pending.delete(approval.approvalId);
      waiting.ended.resolve(approval);
    }
    this.#emit({ type: 'approval_decided', approval });
  }

  #emit(event: ApprovalEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#options.log.error(
          { err: error, event: event.type },
          'A listener of approvals failed',
        );
      }
    }
  }
}

export function noApproval(approvalId: string): AppError {
  return new AppError('approval_not_found', `There is no approval "${approvalId}".`);
}
