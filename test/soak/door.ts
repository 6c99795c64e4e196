import { call, connect } from '../e2e/test-server.ts';
import type { Way } from './job.ts';

/** Longer than any turn may take, one taken up after a restart included. */
const NO_ANSWER_MS = 150_000;

/** A client of the server, over any of its ways in. */
export type Door = {
  readonly way: Way;
  /** What the server said while it worked. */
  readonly progress: readonly string[];
  /** Throws {@link CallFailure} for what the server refused, and anything else if it is gone. */
  // biome-ignore lint/suspicious/noExplicitAny: results of every tool
  call(tool: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<any>;
  close(): Promise<void>;
};

/** A failure with a code of the error table. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly code: string;
  /** The turn it is about, if the server said so. */
  readonly turnId: string | undefined;

  constructor(code: string, message: string, turnId: string | undefined) {
    super(message);
    this.code = code;
    this.turnId = turnId;
  }
}

/** Nobody answered in the longest time that any call may take. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export async function openDoor(url: string, way: Way): Promise<Door> {
  return way === 'rest' ? restDoor(url) : await mcpDoor(url, way);
}

async function mcpDoor(url: string, way: 'sse' | 'http'): Promise<Door> {
  const connection = await connect({ url }, way);
  return {
    way,
    progress: connection.progress,
    async call(tool, args = {}, signal) {
      try {
        const options = { timeout: NO_ANSWER_MS, ...(signal && { signal }) };
        return await call(connection, tool, args, options);
      } catch (error) {
        throw toFailure(error);
      }
    },
    close: () => connection.client.close(),
  };
}

const REQUEST_TIMEOUT = -32001;

function toFailure(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  if (error.code === REQUEST_TIMEOUT && /timed out/i.test(error.message)) return new NoAnswer();
  if (typeof error.code !== 'string' || !/^[a-z_]+: /.test(error.message)) return error;
  const turnId = /"turn_id":\s*"([^"]+)"/.exec(error.message)?.[1];
  return new CallFailure(error.code, error.message, turnId);
}

function restDoor(url: string): Door {
  return {
    way: 'rest',
    progress: [],
    async call(tool, args = {}, signal) {
      const late = AbortSignal.timeout(NO_ANSWER_MS);
      const response = await fetch(`${url}/tools/${tool}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(args),
        signal: signal ? AbortSignal.any([signal, late]) : late,
      }).catch((error: unknown) => {
        throw late.aborted ? new NoAnswer() : error;
      });
      const body = JSON.parse(await response.text());
      if (response.ok) return body;
      const { code, message, turn_id } = body.error;
      throw new CallFailure(code, message, turn_id);
    },
    close: async () => undefined,
  };
}
