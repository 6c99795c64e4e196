import PQueue from 'p-queue';
import type { Logger } from 'pino';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { approvalData, verdictInput } from '../../approvals/approval-data.ts';
import type { ApprovalNotice } from '../../callers/caller-approvals.ts';
import { AppError, reportError, toAppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import type { ApprovalDesk } from './approval-routes.ts';

const MOST_UNREAD_BYTES = 1024 * 1024;
/** Maximum of a client's messages that wait to be handled. */
const MOST_WAITING = 32;
const SHOWN_AT_START = 500;
const POLICY_VIOLATION = 1008;
/** Close codes from 4000 on are for applications; this one follows the HTTP status. */
const UNAUTHORIZED = 4401;

type ApprovalSocketOptions = {
  principal: Principal;
  /** Returns the present principal. Throws once the token has expired or is revoked. */
  authenticate: () => Promise<Principal>;
  approvals: (principal: Principal) => ApprovalDesk;
  heartbeatMs: number;
  log: Logger;
};

const message = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ping') }),
  z.strictObject({
    type: z.literal('decide'),
    approval_id: z.string().min(1).max(100),
    ...verdictInput,
  }),
]);
type Decision = Extract<z.output<typeof message>, { type: 'decide' }>;

/** One WebSocket: sends approvals and their decisions, and receives decisions. */
export class ApprovalSocket {
  readonly #socket: WebSocket;
  readonly #options: ApprovalSocketOptions;
  /** Handles messages in their order. */
  readonly #work = new PQueue({ concurrency: 1 });
  #isAlive = true;

  constructor(socket: WebSocket, options: ApprovalSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    const beat = setInterval(() => void this.#beat(), options.heartbeatMs);
    socket.once('close', () => clearInterval(beat));
    this.#tellAll();
  }

  #tellAll(): void {
    const { approvals, principal } = this.#options;
    const desk = approvals(principal);
    try {
      const pending = desk.list({ state: 'pending', limit: SHOWN_AT_START }).reverse();
      this.#socket.once(
        'close',
        desk.listen((event) => this.#tell(event)),
      );
      for (const approval of pending) this.#tell({ type: 'approval_requested', approval });
    } catch (error) {
      this.#send({ type: 'error', error: reportError(error) });
      this.#socket.close(POLICY_VIOLATION);
    }
  }

  #tell({ type, approval }: ApprovalNotice): void {
    this.#send({ type, approval: approvalData(approval) });
  }

  #take(data: RawData, isBinary: boolean): void {
    if (this.#work.size + this.#work.pending >= MOST_WAITING) {
      this.#socket.close(POLICY_VIOLATION, 'too fast');
      return;
    }
    void this.#work.add(() => this.#answer(isBinary ? '' : String(data)));
  }

  async #answer(text: string): Promise<void> {
    const given = message.safeParse(parsedJson(text));
    if (!given.success) {
      const problem = given.error.issues[0]?.message ?? '';
      const error = new AppError('invalid_input', `The message is none that is known: ${problem}.`);
      return this.#send({ type: 'error', error: reportError(error) });
    }
    if (given.data.type === 'ping') return this.#send({ type: 'pong' });
    await this.#decide(given.data);
  }

  async #decide({ type: _type, approval_id, ...verdict }: Decision): Promise<void> {
    try {
      const principal = await this.#options.authenticate();
      const approval = this.#options.approvals(principal).decide(approval_id, verdict);
      this.#send({ type: 'decided', approval_id, approval: approvalData(approval) });
    } catch (error) {
      this.#send({ type: 'error', approval_id, error: reportError(error) });
      this.#leaveIfUnknown(error);
    }
  }

  async #beat(): Promise<void> {
    if (!this.#isAlive) return this.#socket.terminate();
    this.#isAlive = false;
    this.#socket.ping();
    try {
      await this.#options.authenticate();
    } catch (error) {
      this.#leaveIfUnknown(error);
    }
  }

  #leaveIfUnknown(error: unknown): void {
    if (toAppError(error).code === 'unauthorized') this.#socket.close(UNAUTHORIZED);
  }

  #send(content: Record<string, unknown>): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MOST_UNREAD_BYTES) {
      this.#options.log.warn({ unread_bytes: socket.bufferedAmount }, 'slow WebSocket dropped');
      socket.terminate();
    } else {
      socket.send(JSON.stringify(content));
    }
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
