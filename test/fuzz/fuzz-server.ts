import { expect } from 'vitest';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import type { HttpServerOptions } from '../../src/transports/http-server.ts';
import { heapUsed } from '../machine/heap-used.ts';
import { startTestServer, type TestServer, until } from '../transports/http/test-server.ts';
import type { RawAnswer } from './raw-answers.ts';

/** What no answer and no line of log may ever hold. */
export const SECRETS = {
  OPENAI_API_KEY: 'sk-canary-of-the-provider-9f1e7c',
  JWT_SECRET: 'canary-of-the-token-secret-77b1d0e4c5a2',
};

/** Words of our code or of the text of its unexpected errors. */
const INNARDS = /node_modules|\bat .{1,80}\.[jt]s:\d|TypeError|ReferenceError|RangeError/;

export type FuzzServer = TestServer & {
  /** Looks at what one request was answered. */
  check(answers: readonly RawAnswer[]): void;
  /** Whether all is as before the storm: it answers, nothing failed, nothing is left. */
  assertUnharmed(): Promise<void>;
};

/** A server to be stormed. It remembers what went wrong in the process. */
export async function startFuzzServer(
  settings: Record<string, string> = {},
  options: Partial<HttpServerOptions> = {},
): Promise<FuzzServer> {
  const accidents: unknown[] = [];
  const onAccident = (error: unknown) => accidents.push(error);
  process.on('unhandledRejection', onAccident);
  process.on('uncaughtException', onAccident);
  const server = await startTestServer(
    { MAX_MCP_SESSIONS: '100000', MCP_SESSION_IDLE: '1', ...SECRETS, ...settings },
    [],
    options,
  );
  const statuses = new Map<number, number>();
  const before = await resources(server);
  return Object.assign(server, {
    check(answers: readonly RawAnswer[]) {
      for (const answer of answers) {
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        checkAnswer(answer);
      }
    },
    async assertUnharmed() {
      await assertAnswers(server);
      await assertNothingLeft(server, before);
      expect(accidents).toEqual([]);
      assertSilent(server.logLines);
      tell(statuses);
    },
    async [Symbol.asyncDispose]() {
      await server.app.close();
      process.off('unhandledRejection', onAccident);
      process.off('uncaughtException', onAccident);
    },
  });
}

/** In long runs it is worth knowing what was reached. */
function tell(statuses: Map<number, number>): void {
  if (process.env.FUZZ_RUNS === undefined) return;
  const counts = [...statuses].sort().map(([status, count]) => `${count} × ${status}`);
  process.stderr.write(`${expect.getState().currentTestName}: ${counts.join(', ')}\n`);
}

/** An answer is whole and true to HTTP; a failure has our form, a correlation id and no innards. */
export function checkAnswer({ status, headers, body, isComplete }: RawAnswer): void {
  const shown = `${status} ${JSON.stringify([...headers])} ${body.slice(0, 500)}`;
  for (const secret of Object.values(SECRETS)) expect(body.includes(secret), shown).toBe(false);
  if (status < 400) return;
  expect(headers.get('x-correlation-id'), shown).toMatch(/^[0-9a-f-]{36}$/);
  if (body === '' && headers.get('content-length') !== '0') return; // to HEAD
  expect(isComplete, shown).toBe(true);
  expect(body, shown).not.toMatch(INNARDS);
  const { error, jsonrpc } = JSON.parse(body);
  const report = jsonrpc === undefined ? error : error.data;
  if (jsonrpc !== undefined) {
    expect(error, shown).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
  }
  // The SDK refuses messages by itself, with errors of JSON-RPC that have no code of ours.
  if (jsonrpc !== undefined && report?.code === undefined) {
    expect(status, shown).toBeLessThan(500);
    return;
  }
  const { code, correlation_id } = report as { code: ErrorCode; correlation_id: string };
  expect(ERRORS[code]?.status, shown).toBe(status);
  expect(code, shown).not.toBe('internal');
  expect(correlation_id, shown).toBe(headers.get('x-correlation-id'));
}

async function assertAnswers({ url }: TestServer): Promise<void> {
  const response = await fetch(`${url}/tools/echo`, {
    method: 'POST',
    body: '{"message":"still here"}',
    headers: { 'content-type': 'application/json', 'x-agent-id': 'fine', connection: 'close' },
  });
  expect(await response.json()).toEqual({ message: 'still here', agent_id: 'fine' });
}

type Resources = { connections: number; sessions: number; heap: number };

/** Of the server and, since the clients are in the same process, of those. */
async function resources(server: TestServer): Promise<Resources> {
  const lines = (what: string) => server.logLines.filter((line) => line.includes(what)).length;
  return {
    connections: await new Promise((resolve) => {
      server.app.server.getConnections((_error, count) => resolve(count));
    }),
    sessions: lines('MCP session opened') - lines('MCP session closed'),
    heap: await heapUsed(),
  };
}

async function assertNothingLeft(server: TestServer, before: Resources): Promise<void> {
  server.app.server.closeIdleConnections();
  await expect
    .poll(async () => {
      const { connections, sessions } = await resources(server);
      return { connections, sessions };
    })
    .toEqual({ connections: 0, sessions: 0 });
  await until(() => server.seen.running === 0);
  const logged = server.logLines.reduce((sum, line) => sum + line.length, 0);
  const { heap } = await resources(server);
  expect(heap - before.heap - logged * 2).toBeLessThan(15_000_000);
}

/** No unexpected failure was logged, and no secret. */
export function assertSilent(lines: readonly string[]): void {
  for (const line of lines) {
    expect(line).not.toMatch(/"code":"internal"/);
    expect(JSON.parse(line).level, line).toBeLessThan(50);
    // Nor the beginning of one.
    for (const secret of Object.values(SECRETS)) expect(line).not.toContain(secret.slice(0, 12));
  }
}
