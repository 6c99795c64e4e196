import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

type Row = {
  /** `denied`: by a rule or a limit; `failed`: allowed, but not connected. */
  verdict: 'denied' | 'failed';
  status: number;
  /** Follows the target. */
  sentence: string;
};

/** Why a connection was not made, or was cut. */
export const REFUSALS = {
  not_allowed: denied('is not on the allow-list of this agent'),
  taken_back: denied('is denied by a rule of this agent'),
  not_public: denied('does not lead to a public address'),
  bad_target: { verdict: 'denied', status: 400, sentence: 'is not a host and a port' },
  too_many: denied('exceeds the connections of an agent (MAX_EGRESS_CONNECTIONS)', 429),
  hourly_limit: denied('must wait: the bytes of this hour are used (EGRESS_HOURLY_LIMIT)', 429),
  not_resolved: failed('has no address', 502),
  not_connected: failed('does not answer', 502),
  too_late: failed('did not answer in time', 504),
  broken: failed('broke the connection', 502),
  idle: failed('sent nothing for too long (EGRESS_IDLE_TIMEOUT)', 504),
  client_gone: failed('is no longer needed: the client has disconnected', 499),
  shutdown: failed('is closed because the server stops', 503),
} as const satisfies Record<string, Row>;

export type RefusalReason = keyof typeof REFUSALS;
export type EgressVerdict = 'allowed' | Row['verdict'];

export class EgressRefusal extends Error {
  override readonly name = 'EgressRefusal';
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, options: { cause?: unknown } = {}) {
    super(REFUSALS[reason].sentence, options);
    this.reason = reason;
  }
}

/** The answer to the client in the container. */
export function refusalSentence(target: string, reason: RefusalReason): string {
  const { verdict, sentence } = REFUSALS[reason];
  const begin = verdict === 'denied' ? 'network access is denied by' : 'no connection through';
  return `${begin} the gateway: ${target} ${sentence}. ${howToAllow(target, reason)}`.trim();
}

/** How an approver or the operator can allow the target; empty if nobody can. */
export function howToAllow(target: string, reason: RefusalReason): string {
  switch (reason) {
    case 'not_allowed':
      return `The operator can allow it with the tool allow_egress, or for all agents with EGRESS_ALLOW=${target}.`;
    case 'taken_back':
      return 'The operator can allow it again with the tool allow_egress.';
    case 'not_public':
      return 'EGRESS_ALLOW_PRIVATE opens private networks, but never loopback or link-local addresses.';
    default:
      return '';
  }
}

export type Refused = { status: number; sentence: string };

/** Answers CONNECT on its bare socket and closes it. */
export function answerSocket(socket: Duplex, { status, sentence }: Refused): void {
  const body = `${sentence}\n`;
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`;
  const head = `content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${line}\r\n${head}\r\nconnection: close\r\n\r\n${body}`);
}

/** Answers a request. A started answer is cut, so that the client sees that it is incomplete. */
export function answerResponse(response: ServerResponse, { status, sentence }: Refused): void {
  if (response.destroyed) return;
  if (response.headersSent) response.destroy();
  // Its body may not have been read.
  else
    response
      .writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
      .end(`${sentence}\n`);
}

function denied(sentence: string, status = 403): Row {
  return { verdict: 'denied', status, sentence };
}

function failed(sentence: string, status: number): Row {
  return { verdict: 'failed', status, sentence };
}
