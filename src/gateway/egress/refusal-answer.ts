import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

type Refused = { status: number; sentence: string };

/** Answers CONNECT on its bare socket and closes it. */
export function answerSocket(socket: Duplex, { status, sentence }: Refused): void {
  const body = `${sentence}\n`;
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`;
  const head = `content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${line}\r\n${head}\r\nconnection: close\r\n\r\n${body}`);
}

/** Answers a request; an answer that has begun is cut, so that it is not taken for a whole one. */
export function answerResponse(response: ServerResponse, { status, sentence }: Refused): void {
  if (response.destroyed) return;
  if (response.headersSent) response.destroy();
  // Its body may not have been read.
  else
    response
      .writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
      .end(`${sentence}\n`);
}
