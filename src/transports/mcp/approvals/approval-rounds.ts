import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ApprovalView } from '../../../callers/caller-approvals.ts';
import { AppError } from '../../../errors.ts';
import type { ToolCall } from '../../../tools/tool.ts';
import type { Toolbox } from '../../../tools/toolbox.ts';
import type { CallParams, Tasks } from '../tasks/tasks.ts';
import { successResult } from '../tool-result.ts';
import { type ApprovalDecider, formOf, showsForms, verdictOf } from './approval-form.ts';

/** Clients give up after ten rounds; approvals that remain are decided elsewhere. */
const MOST_ASKED = 10;
const ID_CHARACTERS = 100;

/**
 * What a client brings back with its answers. It is not sealed: the turn is looked up and each
 * approval decided with the rights of whoever calls.
 */
const roundState = z.strictObject({
  turnId: z.string().max(ID_CHARACTERS).optional(),
  asked: z.array(z.string().max(ID_CHARACTERS)).max(MOST_ASKED),
});
type Round = z.infer<typeof roundState>;

const askingClient = z.object({
  [CLIENT_CAPABILITIES_META_KEY]: z.object({ elicitation: z.looseObject({}) }),
});

type ApprovalRoundsOptions = {
  toolbox: Pick<Toolbox, 'call'>;
  tasks: Tasks;
  approvals: ApprovalDecider;
  log: Logger;
};

type Answer = { result: Result; turnId?: string; isOver: boolean };

/**
 * Asks the person at a client of 2026-07-28 about what their call waits for: the call is answered
 * with the questions, and the client calls again with what was said. The turn goes on meanwhile.
 */
export class ApprovalRounds {
  readonly #options: ApprovalRoundsOptions;

  constructor(options: ApprovalRoundsOptions) {
    this.#options = options;
  }

  /** Undefined if the client does not support elicitation. Throws what `Toolbox.call` throws. */
  async answer(
    params: CallParams,
    context: ServerContext,
    call: ToolCall,
  ): Promise<Result | undefined> {
    const { mcpReq } = context;
    const { data: declared } = askingClient.safeParse(mcpReq.envelope);
    if (!showsForms(declared?.[CLIENT_CAPABILITIES_META_KEY].elicitation)) return undefined;
    const round = roundOf(mcpReq.requestState());
    this.#decide(round, mcpReq.inputResponses);
    const left = new AbortController();
    const toAsk = new Map<string, ApprovalView>();
    const onApproval = (approval: ApprovalView) => {
      if (!this.#isToBeAsked(approval, round) || toAsk.size + round.asked.length >= MOST_ASKED)
        return;
      toAsk.set(approval.approvalId, approval);
      left.abort();
    };
    const asking = { ...call, onApproval };
    const answer = await this.#wait(params, round, asking, left.signal);
    if (toAsk.size === 0 || answer.isOver) return answer.result;
    return inputRequired({
      inputRequests: Object.fromEntries(
        [...toAsk].map(([id, approval]) => [id, inputRequired.elicit(formOf(approval))]),
      ),
      requestState: JSON.stringify({
        turnId: answer.turnId,
        asked: [...round.asked, ...toAsk.keys()],
      } satisfies Round),
    });
  }

  /** Waits for the end of a call, or for an approval that it needs. */
  async #wait(
    params: CallParams,
    round: Round,
    call: ToolCall,
    left: AbortSignal,
  ): Promise<Answer> {
    const { toolbox, tasks } = this.#options;
    const { name, arguments: args } = params;
    if (!this.#isTurn(name) || args?.wait === false) {
      const signal = AbortSignal.any([call.signal, left]);
      const result = successResult(await toolbox.call(name, args, { ...call, signal }));
      return { result, isOver: false };
    }
    const { turnId } = round.turnId
      ? tasks.turns.get(round.turnId)
      : await tasks.submit(params, call.correlationId);
    const cancel = () => void tasks.turns.cancel(turnId).catch(() => undefined);
    call.signal.addEventListener('abort', cancel);
    if (call.signal.aborted) cancel();
    try {
      // Not the caller's signal: a cancelled call ends with its turn.
      const turn = await tasks.wait(turnId, { ...call, signal: left });
      const isOver = turn.endedAt !== undefined;
      return { result: isOver ? tasks.result(turn, call.correlationId) : {}, turnId, isOver };
    } finally {
      call.signal.removeEventListener('abort', cancel);
    }
  }

  /** False for an unknown tool, which the toolbox refuses. */
  #isTurn(tool: string): boolean {
    try {
      return this.#options.tasks.supports(tool);
    } catch {
      return false;
    }
  }

  /** A person who closed a form is not asked again; others may decide. */
  #isToBeAsked({ approvalId }: ApprovalView, { asked }: Round): boolean {
    return !asked.includes(approvalId) && this.#options.approvals.mayDecide(approvalId);
  }

  #decide({ asked }: Round, responses: Record<string, unknown> | undefined): void {
    const { approvals, log } = this.#options;
    for (const approvalId of asked) {
      const answer = inputResponse(responses, approvalId);
      if (answer.kind !== 'elicit') continue;
      try {
        const verdict = verdictOf(approvals.get(approvalId), answer);
        if (verdict) approvals.decide(approvalId, verdict);
      } catch (error) {
        log.debug({ err: error, approvalId }, 'The client did not decide on an approval');
      }
    }
  }
}

function roundOf(state: unknown): Round {
  if (state === undefined) return { asked: [] };
  try {
    return roundState.parse(JSON.parse(String(state)));
  } catch {
    throw new AppError('invalid_input', 'The requestState is none that this server has given.');
  }
}
