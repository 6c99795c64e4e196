import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { z } from 'zod';
import { type AgentEvent, AgentEvents } from '../../../src/agents/agent-events.ts';
import { noApproval } from '../../../src/approvals/approvals.ts';
import { NO_AUDIT } from '../../../src/audit/audit-log.ts';
import type { AgentNotice, AgentView } from '../../../src/callers/caller-agents.ts';
import { AppError, type ErrorReport } from '../../../src/errors.ts';
import { LOCAL } from '../../../src/identity/principal.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import type { Tool } from '../../../src/tools/tool.ts';
import { Toolbox } from '../../../src/tools/toolbox.ts';
import { buildHttpServer, type HttpServerOptions } from '../../../src/transports/http-server.ts';
import type { ApprovalDesk } from '../../../src/transports/rest/approval-routes.ts';
import type { AgentDesk } from '../../../src/transports/rest/begin-route.ts';
import type { FileDesk } from '../../../src/transports/rest/file-routes.ts';
import type { SnapshotDesk } from '../../../src/transports/rest/snapshot-routes.ts';

const HINTS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

/** What the tools saw, for tests to look at. */
type Seen = {
  /** Calls of `slow` that run now. */
  running: number;
  started: number;
  aborted: number;
  completed: number;
  correlationIds: string[];
};

export type TestServer = {
  url: string;
  app: FastifyInstance;
  events: AgentEvents;
  seen: Seen;
  logLines: string[];
  health: { ready: boolean; [fact: string]: unknown };
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts a real server on a free loopback port with a handful of tools. */
export async function startTestServer(
  settings: Record<string, string> = {},
  moreTools: Tool[] = [],
  options: Partial<HttpServerOptions> = {},
): Promise<TestServer> {
  const seen: Seen = { running: 0, started: 0, aborted: 0, completed: 0, correlationIds: [] };
  const logLines: string[] = [];
  const health: { ready: boolean; [fact: string]: unknown } = {
    ready: true,
    status: 'healthy',
    version: '1.2.3',
    uptime_seconds: 1,
    active_sessions: 0,
    timestamp: new Date(0).toISOString(),
  };
  const log = pino({ level: 'debug' }, { write: (line) => logLines.push(line) });
  const events = new AgentEvents(log);
  const config = loadConfig(settings);
  const tools = [echo(seen), slow(seen), failing(), big(), ...moreTools];
  const app = buildHttpServer({
    config,
    toolbox: new Toolbox(tools, { maxCalls: config.MAX_CONCURRENT_CALLS }),
    authenticator: { authenticate: async () => LOCAL, isWithdrawn: () => false },
    rates: { takeRequest: async () => undefined },
    turns: () => noTurns,
    agents: () => ({ ...noAgents, listen: (listener) => events.listen(named(listener)) }),
    settings: () => ({ get: noAgent, change: noAgent }),
    approvals: () => noApprovals,
    changes: () => ({ patch: async () => undefined }),
    workspaces: () => noWorkspaces,
    audit: () => NO_AUDIT,
    files: () => noFiles,
    snapshots: () => noSnapshots,
    health: async () => health,
    log,
    version: '1.2.3',
    ...options,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return { url, app, events, seen, logLines, health, [Symbol.asyncDispose]: () => app.close() };
}

const noFiles: FileDesk & AgentDesk = {
  begin: () => Promise.reject(new AppError('agent_not_found', 'There is no agent.')),
  put: () => Promise.reject(new AppError('agent_not_found', 'There is no agent.')),
  get: () => Promise.reject(new AppError('agent_not_found', 'There is no agent.')),
};

const noSnapshots: SnapshotDesk = {
  download: () => Promise.reject(new AppError('snapshot_not_found', 'There is no snapshot.')),
  upload: () => Promise.reject(new AppError('agent_not_found', 'There is no agent.')),
};

/** A JSON answer whose shape the test goes on to check. */
export async function bodyOf<T = Record<string, unknown>>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

/** The error of a failed request. */
export async function errorOf(response: Response): Promise<ErrorReport> {
  return (await bodyOf<{ error: ErrorReport }>(response)).error;
}

/** Waits until the condition holds; fails after five seconds. */
export async function until(condition: () => boolean, limitMs = 5000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Not true within ${limitMs} ms: ${condition}`);
    await delay(10);
  }
}

const noAgents = {
  list: () => ({ agents: [], total: 0 }),
  find: () => undefined,
  get: (name: string): AgentView => ({
    ...{
      name: name.replace(/@local$/, ''),
      status: 'stopped',
      pinned: false,
      threadId: undefined,
      openCalls: 0,
    },
    ...{ idleSeconds: 60, secondsUntil: {}, createdAt: new Date(), lastUsedAt: new Date() },
  }),
};

const noWorkspaces = { read: noSuchAgent, change: noSuchAgent, has: noAgent };

async function noSuchAgent(name: string): Promise<never> {
  throw new AppError('agent_not_found', `There is no agent "${name}".`);
}

function echo(seen: Seen): Tool {
  const input = z.strictObject({ message: z.string(), agent_id: z.string().optional() });
  const output = z.object({ message: z.string(), agent_id: z.string() });
  return tool('echo', input, output, async (args, call) => {
    const { message, agent_id } = input.parse(args);
    seen.correlationIds.push(call.correlationId);
    return { message, agent_id: agent_id ?? call.defaultAgentName };
  });
}

function slow(seen: Seen): Tool {
  const input = z.strictObject({ ms: z.number(), steps: z.number().default(3) });
  return tool('slow', input, z.object({ done: z.boolean() }), async (args, call) => {
    const { ms, steps } = input.parse(args);
    seen.started += 1;
    seen.running += 1;
    try {
      for (let step = 1; step <= steps; step += 1) {
        call.progress(`step ${step}`);
        await delay(ms / steps, undefined, { signal: call.signal });
      }
      seen.completed += 1;
      return { done: true };
    } catch (cause) {
      seen.aborted += 1;
      throw new AppError('cancelled', 'The call was cancelled.', { cause });
    } finally {
      seen.running -= 1;
    }
  });
}

function failing(): Tool {
  const input = z.strictObject({ how: z.enum(['known', 'unknown']) });
  return tool('failing', input, z.object({ never: z.string() }), async (args) => {
    if (input.parse(args).how === 'unknown') throw new Error('secret detail');
    throw new AppError('model_rate_limited', 'The provider says wait.', {
      data: { retry_after_seconds: 6.2 },
    });
  });
}

function big(): Tool {
  const input = z.strictObject({ bytes: z.number() });
  return tool('big', input, z.object({ text: z.string() }), async (args) => ({
    text: 'x'.repeat(input.parse(args).bytes),
  }));
}

/** A tool whose hints do not matter. */
export function tool(
  name: string,
  input: z.ZodObject,
  output: z.ZodObject,
  run: Tool['run'],
): Tool {
  return {
    name,
    title: name,
    description: `The ${name} tool.`,
    annotations: HINTS,
    input,
    output,
    run,
  };
}

export const noTurns = {
  get: noTurn,
  wait: noTurn,
  cancel: noTurn,
  list: () => [],
  latestProgress: () => undefined,
  async *follow() {},
};

const noApprovals: ApprovalDesk = {
  get: none,
  list: () => [],
  decide: none,
  mayDecide: () => false,
  listen: () => () => undefined,
};

function none(approvalId: string): never {
  throw noApproval(approvalId);
}

function noAgent(name: string): never {
  throw new AppError('agent_not_found', `There is no agent "${name}".`);
}

function noTurn(turnId: string): never {
  throw new AppError('turn_not_found', `There is no turn "${turnId}".`);
}

function named(listener: (event: AgentNotice) => void) {
  return ({ agentId, ...event }: AgentEvent) =>
    listener({ ...event, agentName: `${agentId}` } as AgentNotice);
}
