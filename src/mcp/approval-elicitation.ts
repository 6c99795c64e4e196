import type { ElicitRequestFormParams, Server, ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { ApprovalEvent, Verdict } from '../approvals/approvals.ts';

const ARGUMENT_CHARACTERS = 2000;
const QUESTIONS = 10;

/** What the person at a client may see and decide. */
export type ApprovalDecider = {
  mayDecide(approvalId: string): boolean;
  decide(approvalId: string, verdict: Verdict): ApprovalRecord;
  listen(listener: (event: ApprovalEvent) => void): () => void;
};

type Form = Pick<ElicitRequestFormParams, 'message' | 'requestedSchema'>;

const questionsOf = z.object({
  questions: z.array(
    z.object({ id: z.string(), question: z.string(), options: z.array(z.string()).optional() }),
  ),
});
const answered = z.object({ approve: z.boolean(), reason: z.string().optional() });
const answers = z.record(z.string(), z.coerce.string());

/**
 * Asks the person at the client of a session about what their call waits for, if they may decide on
 * it. Without an answer it stays pending for others, and until it expires.
 */
export class ApprovalElicitation {
  readonly #server: Server;
  readonly #approvals: ApprovalDecider;
  readonly #log: Logger;

  constructor(options: { server: Server; approvals: ApprovalDecider; log: Logger }) {
    this.#server = options.server;
    this.#approvals = options.approvals;
    this.#log = options.log;
  }

  /** Undefined where the client has no way to ask anybody. */
  during(context: ServerContext): ((approval: ApprovalRecord) => void) | undefined {
    const known = this.#server.getClientCapabilities()?.elicitation;
    // An empty object is how clients said it before there were other ways than forms.
    if (!known || (Object.keys(known).length > 0 && !known.form)) return undefined;
    return (approval) => {
      if (!this.#approvals.mayDecide(approval.approvalId)) return;
      this.#ask(context, approval).catch((error: unknown) => {
        const { approvalId } = approval;
        this.#log.debug({ err: error, approvalId }, 'The client did not decide on an approval');
      });
    };
  }

  async #ask({ mcpReq }: ServerContext, approval: ApprovalRecord): Promise<void> {
    const { approvalId, kind, expiresAt } = approval;
    const over = new AbortController();
    const stop = this.#approvals.listen(({ approval: { approvalId: id, state } }) => {
      if (id === approvalId && state !== 'pending') over.abort();
    });
    try {
      const timeout = Math.max(1, expiresAt.getTime() - Date.now());
      const isQuestion = kind === 'user_input';
      const params = isQuestion ? questionForm(approval) : approvalForm(approval);
      const request = { method: 'elicitation/create', params } as const;
      const { action, content } = await mcpReq.send(request, { timeout, signal: over.signal });
      // Who closes the question has not decided, and another may.
      if (action === 'cancel') return;
      const verdict = isQuestion ? answerOf(action, content) : verdictOf(action, content);
      stop();
      this.#approvals.decide(approvalId, verdict);
    } finally {
      stop();
    }
  }
}

function verdictOf(action: 'accept' | 'decline', content: unknown): Verdict {
  if (action === 'decline') return { approve: false };
  return answered.parse(content);
}

function answerOf(action: 'accept' | 'decline', content: unknown): Verdict {
  if (action === 'decline') return { approve: false };
  return { approve: true, answers: answers.parse(content) };
}

function approvalForm({ operation, risk, justification, ...approval }: ApprovalRecord): Form {
  const shown = JSON.stringify(approval.arguments, null, 2).slice(0, ARGUMENT_CHARACTERS);
  const why = justification === undefined ? '' : `\nWhy: ${justification}`;
  return {
    message: `Do you approve this? Risk: ${risk}.\n${operation}${why}\n${shown}`,
    requestedSchema: {
      type: 'object',
      properties: {
        approve: { type: 'boolean', title: 'Approve', description: 'No declines it.' },
        reason: { type: 'string', title: 'Reason', maxLength: 1000 },
      },
      required: ['approve'],
    },
  };
}

function questionForm(approval: ApprovalRecord): Form {
  const { questions } = questionsOf.parse(approval.arguments);
  const properties = questions
    .slice(0, QUESTIONS)
    .map(({ id, question, options }) => [
      id,
      { type: 'string', title: question, ...(options?.length && { enum: options }) },
    ]);
  return {
    message: `Codex asks: ${approval.operation}`,
    requestedSchema: { type: 'object', properties: Object.fromEntries(properties) },
  };
}
