import { isDeepStrictEqual } from 'node:util';
import type { AgentRecord } from '../../agents/agent.ts';
import { type AgentAdmissionOptions, admitAgent } from '../../agents/agent-admission.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Budgets } from '../../gateway/spending/budgets.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import type { TurnStore } from '../turn-store.ts';

export type AdmissionOptions = {
  store: AgentAdmissionOptions['store'] & { turns: TurnStore };
  credentials: { readonly refusal?: AppError | undefined };
  budgets: Pick<Budgets, 'refusal'>;
  config: AgentAdmissionOptions['config'] &
    Pick<
      Config,
      'MAX_PROMPT_BYTES' | 'MAX_QUEUED_TURNS' | 'MAX_QUEUED_TURNS_TOTAL' | 'MAX_TURNS_PER_PRINCIPAL'
    >;
};

export type Queues = {
  /** Whether a call of the agent runs, so that a further one waits. */
  busy: boolean;
  /** How many calls wait for the agent. */
  waiting: number;
  /** How many wait for any agent. */
  waitingInAll: number;
};

/** A request for a turn. */
export type Application = {
  request: TurnRequest;
  /** The agent, which may not exist yet. */
  agent: AgentRecord;
  queues: Queues;
  /** How many turns of the same caller have not ended. */
  ownTurns: number;
};

/**
 * Returns the turn of an earlier call with the same idempotency key. Throws `idempotency_conflict` if
 * that call had other arguments.
 */
export function earlierTurn({ store }: AdmissionOptions, request: TurnRequest) {
  const { agentId, idempotencyKey: key } = request;
  const earlier: TurnRecord | undefined =
    key === undefined ? undefined : store.turns.findByKey(agentId, key);
  if (!earlier || isDeepStrictEqual(comparable(earlier.request), comparable(request)))
    return earlier;
  throw new AppError(
    'idempotency_conflict',
    `The key "${key}" was used for another call to agent ${agentId}.`,
    { data: { turn_id: earlier.turnId } },
  );
}

/** A request without what differs between equal calls. */
function comparable({ correlationId: _, ...request }: TurnRequest): unknown {
  return JSON.parse(JSON.stringify(request));
}

/** Throws why a request is refused: its size, missing credentials, a budget or a limit. */
export function admit(options: AdmissionOptions, application: Application): void {
  const { request, agent, queues } = application;
  checkSize(options.config, { ...request.args, source: request.source });
  const refusal =
    options.credentials.refusal ?? options.budgets.refusal(agent.agentId, undefined, agent.owner);
  if (refusal) throw refusal;
  checkQueues(options, request, queues);
  admitAgent(options, agent);
  checkTurns(options, application);
}

/** Throws `prompt_too_large`. */
export function checkSize(
  { MAX_PROMPT_BYTES: limit }: Pick<Config, 'MAX_PROMPT_BYTES'>,
  input: Record<string, unknown>,
): void {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= limit) return;
  throw new AppError('prompt_too_large', `The input has ${bytes} bytes; ${limit} are allowed.`, {
    data: { bytes, limit },
  });
}

function checkQueues({ config }: AdmissionOptions, { agentId }: TurnRequest, queues: Queues) {
  const { MAX_QUEUED_TURNS: most, MAX_QUEUED_TURNS_TOTAL: mostOfAll } = config;
  if (queues.waiting >= most) {
    throw new AppError('queue_full', `${most} calls wait for agent ${agentId} already.`, {
      data: { limit: most },
    });
  }
  if (queues.busy && queues.waitingInAll >= mostOfAll) {
    throw new AppError('server_queue_full', `${mostOfAll} calls wait for agents already.`, {
      data: { limit: mostOfAll },
    });
  }
}

function checkTurns({ config }: AdmissionOptions, { ownTurns }: Application): void {
  const { MAX_TURNS_PER_PRINCIPAL: limit } = config;
  if (ownTurns < limit) return;
  throw new AppError('quota_exceeded', `${limit} turns of yours run or wait already.`, {
    data: { limit },
  });
}
