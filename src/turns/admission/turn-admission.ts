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
  /** Whether the agent works: a further call would have to wait. */
  busy: boolean;
  /** How many calls wait for the agent. */
  waiting: number;
  /** How many wait for any agent. */
  waitingInAll: number;
};

/** Work that somebody asks for. */
export type Application = {
  request: TurnRequest;
  /** The agent, which may not exist yet. */
  agent: AgentRecord;
  queues: Queues;
  /** Turns of the same caller that have not ended. */
  ownTurns: number;
};

/** The turn that an earlier call with the same key began. Throws `idempotency_conflict` if it was another call. */
export function earlierTurn({ store }: AdmissionOptions, request: TurnRequest) {
  const { agentId, idempotencyKey: key } = request;
  const earlier: TurnRecord | undefined =
    key === undefined ? undefined : store.turns.findByKey(agentId, key);
  if (!earlier || isDeepStrictEqual(askedIn(earlier.request), askedIn(request))) return earlier;
  throw new AppError(
    'idempotency_conflict',
    `The key "${key}" was used for another call to agent ${agentId}.`,
    { data: { turn_id: earlier.turnId } },
  );
}

/** What a caller asked for, however often it sent that. */
function askedIn({ correlationId: _, ...request }: TurnRequest): unknown {
  return JSON.parse(JSON.stringify(request));
}

/** Throws why work cannot be taken: its size, no credentials, or as much of something as may be. */
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
