import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.ts';

/** Commands with their environment are the largest bodies of a server. */
const BODY_BYTES = 1024 * 1024;

/** Undefined without a body. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const length = bodyLength(request);
  if (length === 0) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return parse(Buffer.concat(chunks));
}

/** Node refuses two lengths, or a length with a transfer encoding. */
export function bodyLength({ headers }: IncomingMessage, limit = BODY_BYTES): number {
  if (headers['transfer-encoding'] !== undefined) throw new Refusal('its body has no length');
  const length = Number(headers['content-length'] ?? 0);
  if (length > limit) throw new Refusal(`its body has more than ${limit} bytes`);
  return length;
}

export function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal('its body is not JSON');
  }
}
