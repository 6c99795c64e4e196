import type { Server, ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { ApprovalView } from '../../../callers/caller-approvals.ts';
import { type ApprovalDecider, formOf, showsForms, verdictOf } from './approval-form.ts';

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

  /** Undefined if the client does not support elicitation. */
  during(context: ServerContext): ((approval: ApprovalView) => void) | undefined {
    if (!showsForms(this.#server.getClientCapabilities()?.elicitation)) return undefined;
    return (approval) => {
      if (!this.#approvals.mayDecide(approval.approvalId)) return;
      this.#ask(context, approval).catch((error: unknown) => {
        const { approvalId } = approval;
        this.#log.debug({ err: error, approvalId }, 'The client did not decide on an approval');
      });
    };
  }

  async #ask({ mcpReq }: ServerContext, approval: ApprovalView): Promise<void> {
    const { approvalId, expiresAt } = approval;
    const over = new AbortController();
    const stop = this.#approvals.listen(({ approval: { approvalId: id, state } }) => {
      if (id === approvalId && state !== 'pending') over.abort();
    });
    try {
      const timeout = Math.max(1, expiresAt.getTime() - Date.now());
      const request = { method: 'elicitation/create', params: formOf(approval) } as const;
      const answer = await mcpReq.send(request, { timeout, signal: over.signal });
      const verdict = verdictOf(approval, answer);
      // The approval stays pending for others.
      if (!verdict) return;
      stop();
      this.#approvals.decide(approvalId, verdict);
    } finally {
      stop();
    }
  }
}
