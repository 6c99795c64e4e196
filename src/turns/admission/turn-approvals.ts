import type { AgentStore } from '../../agents/agent-store.ts';
import type { ApprovalRecord } from '../../approvals/approval.ts';
import { approversOfRequest, approversOfTurn } from '../../approvals/approval-policy.ts';
import type { ApprovalEvent, Approvals } from '../../approvals/approvals.ts';
import { type RiskyAsk, riskOf, type TurnPowers } from '../../approvals/risk.ts';
import type { ServerRequestAnswer } from '../../codex/server-requests/server-request.ts';
import type { Config } from '../../config/config.ts';
import { AppError, toAppError } from '../../errors.ts';
import { LOCAL } from '../../identity/principal.ts';
import type { TurnEvent } from '../events/turn-event.ts';
import type { LiveTurn } from '../live-turn.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import type { TurnAudit } from '../turn-audit.ts';
import type { TurnDeadline } from '../turn-deadline.ts';
import type { TurnKind } from '../turn-kind.ts';

const TURN_KEY = 'turn';
const DECLINED: ServerRequestAnswer = { approve: false };
const PROMPT_CHARACTERS = 200;

type TurnApprovalsOptions = {
  approvals: Approvals;
  store: { agents: AgentStore };
  config: Pick<Config, 'CODEX_APPROVAL_MODE' | 'MAX_QUEUED_TURNS' | 'MAX_QUEUED_TURNS_TOTAL'>;
  audit: Pick<TurnAudit, 'granted'>;
};

/** Has people asked before a turn runs, and what Codex asks for while it works on one. */
export class TurnApprovals {
  readonly #approvals: Approvals;
  readonly #options: TurnApprovalsOptions;

  constructor(options: TurnApprovalsOptions) {
    this.#approvals = options.approvals;
    this.#options = options;
  }

  /** Calls that wait to be approved hold no place in a queue, but are bounded as if. */
  assertRoom(request: TurnRequest, kind: TurnKind): void {
    if (request.trial !== undefined || this.#approversOf(request, kind) === 0) return;
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

  /** Calls for an agent that wait to be approved. */
  waiting(agentId: string): number {
    return this.#approvals.waitingTurns(agentId).ofAgent;
  }

  /**
   * Waits until a turn may run; undefined if it may at once. Rejects with `approval_declined` or
   * `approval_expired`, or with the reason of the deadline.
   */
  admission(live: LiveTurn, kind: TurnKind, deadline: TurnDeadline): Promise<void> | undefined {
    const { record } = live;
    // It was approved before it was sent, or with the trial that it is part of.
    if (record.sent || record.request.trial !== undefined) return undefined;
    const neededApprovers = this.#approversOf(record.request, kind);
    if (neededApprovers === 0) return undefined;
    const approval = this.#approvals.request({
      ...this.#requestOf(record),
      requestKey: TURN_KEY,
      kind: 'turn',
      operation: operationOf(record),
      arguments: argumentsOf(record, powersOf(record.request, kind)),
      risk: riskOf(powersOf(record.request, kind)),
      neededApprovers,
    });
    return approval && this.#granted(live, approval, deadline);
  }

  /** Answers what Codex asks for during a turn: by itself where the policy says so. Never rejects. */
  async ask(live: LiveTurn, ask: RiskyAsk): Promise<ServerRequestAnswer> {
    try {
      return await this.#answer(live, ask);
    } catch (error) {
      const { message } = toAppError(error);
      live.warn(`What Codex asked for was declined, as nobody could be asked. ${message}`);
      return DECLINED;
    }
  }

  /** Ends what a turn that is over still waits for. */
  over({ turnId }: TurnRecord): void {
    this.#approvals.supersede(turnId);
  }

  /** Hears what turns ask for and what is decided, as events of theirs. */
  listen(listener: (turnId: string, event: TurnEvent) => void): void {
    this.#approvals.listen((event) => listener(event.approval.turnId, turnEventOf(event)));
  }

  /** Hears of what is pending of a turn, and of what will be; call what is returned to stop. */
  watch(turnId: string, listener: (approval: ApprovalRecord) => void): () => void {
    for (const approval of this.#approvals.pendingOf(turnId)) listener(approval);
    return this.#approvals.listen(({ type, approval }) => {
      if (type === 'approval_requested' && approval.turnId === turnId) listener(approval);
    });
  }

  async #answer(live: LiveTurn, { risk, ...ask }: RiskyAsk): Promise<ServerRequestAnswer> {
    const { CODEX_APPROVAL_MODE: policy } = this.#options.config;
    const needed = approversOfRequest(policy, risk);
    if (needed === 0 && ask.kind !== 'user_input') {
      this.#options.audit.granted(live.record, ask, { risk, policy });
      return { approve: true };
    }
    const approval = this.#approvals.request({
      ...this.#requestOf(live.record),
      requestKey: ask.key,
      kind: ask.kind,
      operation: ask.operation,
      arguments: ask.arguments,
      risk,
      neededApprovers: Math.max(1, needed),
      ...(ask.reason !== undefined && { justification: ask.reason }),
    });
    if (!approval) return DECLINED;
    const { state, answers } = await live.whileWaiting(this.#ended(approval));
    return { approve: state === 'approved', answers };
  }

  async #granted(live: LiveTurn, approval: ApprovalRecord, deadline: TurnDeadline): Promise<void> {
    const { record } = live;
    record.state = 'waiting_approval';
    const ended = await deadline.race(this.#ended(approval));
    if (ended.state !== 'approved') throw refusalOf(ended);
    record.state = 'queued';
  }

  #ended({ approvalId }: ApprovalRecord): Promise<ApprovalRecord> {
    return this.#approvals.outcome(approvalId);
  }

  #approversOf(request: TurnRequest, kind: TurnKind): number {
    const powers = powersOf(request, kind);
    const { CODEX_APPROVAL_MODE: policy } = this.#options.config;
    return approversOfTurn(policy, riskOf(powers), powers.mode);
  }

  #requestOf({ turnId, agentId, request }: TurnRecord) {
    const tenant = this.#options.store.agents.get(agentId)?.tenant ?? LOCAL.tenant;
    const requestedBy = request.principal ?? LOCAL.id;
    return { turnId, agentId, tenant, requestedBy, justification: request.justification };
  }
}

function powersOf({ args, thread }: TurnRequest, kind: TurnKind): TurnPowers {
  const parsed = kind.args.parse(args);
  const byAccess = kind.access(parsed) === 'read' ? 'read-only' : 'workspace-write';
  const { fullAuto = false, mode = 'interactive' } = thread?.settings ?? {};
  return { sandbox: kind.sandbox?.(parsed) ?? byAccess, fullAuto, mode };
}

function operationOf({ tool, request: { args } }: TurnRecord): string {
  const said = Object.values(args).find((value) => typeof value === 'string') ?? '';
  return `${tool}: ${said.replace(/\s+/g, ' ').slice(0, PROMPT_CHARACTERS)}`;
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
