import type { AgentStore } from '../../agents/agent-store.ts';
import type { ApprovalRecord } from '../../approvals/approval.ts';
import { approversOfRequest, approversOfTurn } from '../../approvals/approval-policy.ts';
import type { ApprovalEvent, Approvals } from '../../approvals/approvals.ts';
import { type RiskyAsk, riskOf, type TurnPowers } from '../../approvals/risk.ts';
import type { ServerRequestAnswer } from '../../codex/server-requests/server-request.ts';
import type { Config } from '../../config/config.ts';
import { AppError, toAppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import { LOCAL } from '../../identity/principal.ts';
import type { TurnEvent } from '../events/turn-event.ts';
import type { LiveTurn } from '../live-turn.ts';
import type { PreparedTurn } from '../prepared-turn.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import type { TurnAudit } from '../turn-audit.ts';

const TURN_KEY = 'turn';
const DECLINED: ServerRequestAnswer = { approve: false };
const PROMPT_CHARACTERS = 200;

type TurnApprovalsOptions = {
  approvals: Approvals;
  store: { agents: AgentStore };
  config: Pick<Config, 'CODEX_APPROVAL_MODE' | 'MAX_QUEUED_TURNS' | 'MAX_QUEUED_TURNS_TOTAL'>;
  audit: Pick<TurnAudit, 'granted'>;
};

/** Asks people before a turn runs, and for what Codex requests during a turn. */
export class TurnApprovals {
  readonly #approvals: Approvals;
  readonly #options: TurnApprovalsOptions;

  constructor(options: TurnApprovalsOptions) {
    this.#approvals = options.approvals;
    this.#options = options;
  }

  /**
   * Throws `queue_full` or `server_queue_full`: turns that wait for approval are in no queue, and are
   * bounded by the same limits.
   */
  assertRoom(request: TurnRequest, prepared: PreparedTurn): void {
    if (this.#neededApprovers(request, prepared) === 0) return;
    const { MAX_QUEUED_TURNS: most, MAX_QUEUED_TURNS_TOTAL: mostOfAll } = this.#options.config;
    const { ofAgent, inAll } = this.#approvals.waitingTurns(request.agentId);
    if (ofAgent >= most) {
      throw new AppError('queue_full', `${most} calls wait to be approved already.`, {
        data: { limit: most },
      });
    }
    if (inAll >= mostOfAll) {
      throw new AppError('server_queue_full', `${mostOfAll} calls wait to be approved already.`, {
        data: { limit: mostOfAll },
      });
    }
  }

  /** How many turns of an agent wait for approval. */
  waiting(agentId: AgentId): number {
    return this.#approvals.waitingTurns(agentId).ofAgent;
  }

  /**
   * Waits until a turn may run. Returns undefined if the turn needs no approval. Rejects with
   * `approval_declined`, `approval_expired` or the reason of the deadline.
   */
  approval(turn: LiveTurn): Promise<void> | undefined {
    const { record, prepared } = turn;
    // A turn that was sent was approved before.
    const neededApprovers = record.sent ? 0 : this.#neededApprovers(record.request, prepared);
    if (neededApprovers === 0) return undefined;
    const powers = powersOf(record.request, prepared);
    const approval = this.#approvals.request({
      ...this.#requestOf(record),
      requestKey: TURN_KEY,
      kind: 'turn',
      operation: operationOf(record),
      arguments: argumentsOf(record, powers),
      risk: riskOf(powers),
      neededApprovers,
    });
    return approval && this.#granted(turn, approval);
  }

  /** Returns the answer to a request of Codex, if the policy allows it without people. Never rejects. */
  async ask(turn: LiveTurn, ask: RiskyAsk): Promise<ServerRequestAnswer> {
    try {
      return await this.#answer(turn, ask);
    } catch (error) {
      const { message } = toAppError(error);
      turn.warn(`A request of Codex was declined, because no approver could be asked. ${message}`);
      return DECLINED;
    }
  }

  /** Ends the pending approvals of a turn that has ended. */
  supersede({ turnId }: TurnRecord): void {
    this.#approvals.supersede(turnId);
  }

  /** Passes on requests and decisions as events of their turns. */
  listen(listener: (turnId: string, event: TurnEvent) => void): void {
    this.#approvals.listen((event) => listener(event.approval.turnId, turnEventOf(event)));
  }

  /** Passes on pending and later approvals of a turn. Returns a function that ends the subscription. */
  watch(turnId: string, listener: (approval: ApprovalRecord) => void): () => void {
    for (const approval of this.#approvals.pendingOf(turnId)) listener(approval);
    return this.#approvals.listen(({ type, approval }) => {
      if (type === 'approval_requested' && approval.turnId === turnId) listener(approval);
    });
  }

  async #answer(turn: LiveTurn, { risk, ...ask }: RiskyAsk): Promise<ServerRequestAnswer> {
    const { CODEX_APPROVAL_MODE: policy } = this.#options.config;
    const needed = approversOfRequest(policy, risk);
    if (needed === 0 && ask.kind !== 'user_input') {
      this.#options.audit.granted(turn.record, ask, { risk, policy });
      return { approve: true };
    }
    const approval = this.#approvals.request({
      ...this.#requestOf(turn.record),
      requestKey: ask.key,
      kind: ask.kind,
      operation: ask.operation,
      arguments: ask.arguments,
      risk,
      neededApprovers: Math.max(1, needed),
      ...(ask.reason !== undefined && { justification: ask.reason }),
    });
    if (!approval) return DECLINED;
    const { state, answers } = await turn.whileWaiting(this.#ended(approval));
    return { approve: state === 'approved', answers };
  }

  async #granted({ record, deadline }: LiveTurn, approval: ApprovalRecord): Promise<void> {
    record.state = 'waiting_approval';
    const ended = await deadline.race(this.#ended(approval));
    if (ended.state !== 'approved') throw refusalOf(ended);
    record.state = 'queued';
  }

  #ended({ approvalId }: ApprovalRecord): Promise<ApprovalRecord> {
    return this.#approvals.outcome(approvalId);
  }

  #neededApprovers(request: TurnRequest, prepared: PreparedTurn): number {
    // A candidate was approved with the turn that asked for it.
    if (request.trial !== undefined) return 0;
    const powers = powersOf(request, prepared);
    const { CODEX_APPROVAL_MODE: policy } = this.#options.config;
    return approversOfTurn(policy, riskOf(powers), powers.mode);
  }

  #requestOf({ turnId, agentId, request }: TurnRecord) {
    const tenant = this.#options.store.agents.get(agentId)?.tenant ?? LOCAL.tenant;
    const requestedBy = request.principal ?? LOCAL.id;
    return { turnId, agentId, tenant, requestedBy, justification: request.justification };
  }
}

function powersOf({ thread }: TurnRequest, { sandbox }: PreparedTurn): TurnPowers {
  const { fullAuto = false, mode = 'interactive' } = thread?.settings ?? {};
  return { sandbox, fullAuto, mode };
}

function operationOf({ tool, request: { args } }: TurnRecord): string {
  const text = Object.values(args).find((value) => typeof value === 'string') ?? '';
  return `${tool}: ${text.replace(/\s+/g, ' ').slice(0, PROMPT_CHARACTERS)}`;
}

function argumentsOf({ request }: TurnRecord, { sandbox, fullAuto, mode }: TurnPowers) {
  const { args, thread, model, effort, candidates } = request;
  const { cwd, approvalPolicy } = thread?.settings ?? {};
  const powers = { sandbox, full_auto: fullAuto, mode };
  return { ...args, ...powers, cwd, 'approval-policy': approvalPolicy, model, effort, candidates };
}

function refusalOf({ approvalId, state, decisions, neededApprovers }: ApprovalRecord): AppError {
  const data = { approval_id: approvalId };
  if (state !== 'declined') {
    const given = `${decisions.length} of ${neededApprovers} approvals were given in time.`;
    return new AppError('approval_expired', given, { data });
  }
  const last = decisions.at(-1);
  const reason = last?.reason ? `: ${last.reason}` : '.';
  return new AppError('approval_declined', `${last?.by} declined the call${reason}`, { data });
}

function turnEventOf({ type, approval }: ApprovalEvent): TurnEvent {
  const { approvalId, kind, operation, risk, neededApprovers, decisions, state } = approval;
  if (type === 'approval_requested') {
    const expiresAt = approval.expiresAt.toISOString();
    return { type, approvalId, kind, operation, risk, neededApprovers, expiresAt };
  }
  const last = decisions.at(-1);
  return { type, approvalId, state, by: last?.by, reason: last?.reason };
}
