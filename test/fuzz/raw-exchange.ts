import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type RawAnswer, readAnswers } from './raw-answers.ts';

/** How a client sends its bytes, and how it leaves. */
export type Manner = {
  /** Where the bytes are cut; each piece is sent a little later. */
  cuts?: readonly number[];
  pauseMs?: number;
  /** Whether it waits for an answer, and how it goes if not. */
  leaves?: 'after the answer' | 'half' | 'at once';
  /** Whether the answer has no body, since it is one to HEAD. */
  isHead?: boolean;
};

/** Of a server that answers nothing: incomplete requests are waited for. */
const QUIET_MS = 40;
/** Of a server that has begun to answer, and may have more answers. */
const SETTLED_MS = 4;
/** A request that is whole must be answered within this. */
const PATIENCE_MS = 10_000;

/**
 * Sends a text, one byte for each character, over a connection of its own and reads what comes. Where `mustAnswer`, it waits for a
 * whole answer or the beginning of a stream; else silence will do.
 */
export async function exchange(
  url: string,
  text: string,
  manner: Manner = {},
  mustAnswer = false,
): Promise<RawAnswer[]> {
  const { leaves = 'after the answer', isHead = false } = manner;
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.on('error', () => undefined);
  const answers = () => readAnswers(Buffer.concat(received), { isHead });
  try {
    await once(socket, 'connect');
    await sendPieces(socket, Buffer.from(text, 'latin1'), manner);
    if (leaves === 'at once') return [];
    if (leaves === 'half') socket.end();
    const limit = performance.now() + (mustAnswer ? PATIENCE_MS : QUIET_MS);
    while (!socket.closed && performance.now() < limit && !isSettled(answers())) await delay(2);
    if (isSettled(answers())) await delay(SETTLED_MS);
    return answers();
  } finally {
    socket.destroy();
  }
}

function isSettled(answers: RawAnswer[]): boolean {
  const last = answers.at(-1);
  if (!last) return false;
  return last.isComplete || last.headers.get('content-type')?.startsWith('text/event') === true;
}

async function sendPieces(socket: Socket, bytes: Buffer, { cuts = [], pauseMs = 1 }: Manner) {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    if (socket.destroyed) return;
    socket.write(bytes.subarray(from, to));
    from = to;
    if (to < bytes.length) await delay(pauseMs);
  }
}
