import { z } from 'zod';
import type { Config } from '../config/config.ts';

const PING_LIMIT_MS = 5_000;
export const LOOPBACK = '127.0.0.1';
const WILDCARDS = ['0.0.0.0', '::'];

const pong = z.object({ status: z.literal('ok') });

/** `running`: our server answers; `nothing`: the port is free; `other`: something else answers. */
export type ProbeResult = { state: 'running' | 'nothing' | 'other'; reason: string };

export async function probeServer(url: string | undefined): Promise<ProbeResult> {
  if (url === undefined) return { state: 'nothing', reason: 'MCP_PORT is 0' };
  try {
    const response = await fetch(`${url}/ping`, { signal: AbortSignal.timeout(PING_LIMIT_MS) });
    const answer = pong.safeParse(await response.json().catch(() => undefined));
    if (response.ok && answer.success) return { state: 'running', reason: 'it answers' };
    return { state: 'other', reason: `GET /ping was answered with HTTP ${response.status}` };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: unknown; message?: string } };
    const state = cause?.code === 'ECONNREFUSED' ? 'nothing' : 'other';
    return { state, reason: cause?.message || String(cause?.code ?? message) };
  }
}

/** URL of a server with these settings; undefined if MCP_PORT is 0. */
export function addressOf({
  MCP_HOST,
  MCP_PORT,
}: Pick<Config, 'MCP_HOST' | 'MCP_PORT'>): string | undefined {
  if (MCP_PORT === 0) return undefined;
  const host = WILDCARDS.includes(MCP_HOST) ? LOOPBACK : MCP_HOST;
  return `http://${host.includes(':') ? `[${host}]` : host}:${MCP_PORT}`;
}
