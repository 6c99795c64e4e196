import {
  ProtocolError,
  type Result,
  SdkError,
  SdkErrorCode,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { z } from 'zod';
import { toAppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import type { Caller, ToolCall } from '../../tools/tool.ts';
import type { Toolbox } from '../../tools/toolbox.ts';
import { logFailure } from '../http/failure-log.ts';
import { ApprovalElicitation } from './approvals/approval-elicitation.ts';
import type { ApprovalDecider } from './approvals/approval-form.ts';
import { ApprovalRounds } from './approvals/approval-rounds.ts';
import { principalOf } from './endpoints/caller-info.ts';
import { correlationIdOf } from './endpoints/web-exchange.ts';
import { progressOf } from './progress.ts';
import { protocolError } from './protocol-error.ts';
import { SessionTasks } from './tasks/session-tasks.ts';
import { TaskServer } from './tasks/task-server.ts';
import type { CallParams, TaskProtocol, Tasks } from './tasks/tasks.ts';
import { TasksExtension } from './tasks/tasks-extension.ts';
import { errorResult, successResult } from './tool-result.ts';

/** How long a client may cache the list of tools, which changes only with the server. */
const LIST_TTL_MS = 300_000;

const INSTRUCTIONS = `Every agent id names one Codex with its own files and conversation, kept in a locked-down container.
Each tool takes an optional agent_id: give the same one to go on with the same files and conversation, another one to work in parallel. Without it, your connection has an agent of its own; results name it, so pass that id on when you call again.
Calls take from seconds to minutes and report progress. Calls on one agent run one after another.
A failed call says with a code what went wrong, what to do, and whether calling again can help.`;

const callParams = z.object({
  name: z.string(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  task: z.unknown().optional(),
});

export type McpServerOptions = {
  /** All tools, or a wrapper that watches the calls of one session. */
  toolbox: Pick<Toolbox, 'list' | 'call'>;
  tasks: (caller: Caller) => Tasks;
  approvals: (principal: Principal) => ApprovalDecider;
  /** The agent of calls that name none. */
  defaultAgentName: AgentName;
  /** Whether this serves one request of 2026-07-28, whose client cancels by disconnecting. */
  stateless: boolean;
  log: Logger;
  version: string;
};

/** Creates the MCP server of one session or of one stateless request. */
export function createMcpServer(options: McpServerOptions): Server {
  const { toolbox, stateless, log, version } = options;
  const server = new TaskServer(
    { name: 'codex-mcp-server', title: 'Codex MCP Server', version },
    {
      capabilities: { tools: {} },
      instructions: INSTRUCTIONS,
      cacheHints: {
        'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
        'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
      },
    },
  );
  server.onerror = (error) => log.debug({ err: error }, 'MCP message could not be handled');
  server.setRequestHandler('tools/list', () => ({ tools: [...toolbox.list()] }));
  const tasksOf = (context: ServerContext) => options.tasks(callerOf(context, options));
  const tasks = new (stateless ? TasksExtension : SessionTasks)({ server, tasks: tasksOf, log });
  tasks.serve();
  server.setRequestHandler('tools/call', { params: callParams }, (params, context) => {
    const approvals = options.approvals(principalOf(context));
    const ways = stateless
      ? { rounds: new ApprovalRounds({ toolbox, tasks: tasksOf(context), approvals, log }) }
      : { onApproval: new ApprovalElicitation({ server, approvals, log }).during(context) };
    return callTool({ tasks, ...ways }, params, context, options);
  });
  return server;
}

/** Every request acts with its own token's rights, also in a session that another token opened. */
function callerOf(
  context: ServerContext,
  { defaultAgentName }: Pick<McpServerOptions, 'defaultAgentName'>,
): Caller {
  return { principal: principalOf(context), defaultAgentName };
}

/** How a call becomes a task, and how its approvals are asked for. */
type Ways = Pick<ToolCall, 'onApproval'> & { tasks: TaskProtocol; rounds?: ApprovalRounds };

async function callTool(
  { tasks, rounds, onApproval }: Ways,
  params: CallParams,
  context: ServerContext,
  { toolbox, stateless, ...session }: McpServerOptions,
): Promise<Result> {
  const { name, arguments: args } = params;
  const correlationId = correlationIdOf(context);
  const log = session.log.child({ correlation_id: correlationId, tool: name });
  const progress = progressOf(context, log);
  const { signal: ended } = context.mcpReq;
  const signal = stateless ? ended : cancelledOnly(ended);
  const caller = callerOf(context, session);
  const call = { ...caller, signal, correlationId, log, progress: progress.send, onApproval };
  try {
    const task = await tasks.begin(params, context);
    const answer = task ?? (await rounds?.answer(params, context, call));
    return answer ?? successResult(await toolbox.call(name, args, call));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    logFailure(log, error);
    if (toAppError(error).code === 'unknown_tool') throw protocolError(error, correlationId);
    return errorResult(error, correlationId);
  } finally {
    progress.end();
  }
}

/** A client that disconnects has not cancelled: the call goes on, and the client may return. */
function cancelledOnly(ended: AbortSignal): AbortSignal {
  const controller = new AbortController();
  ended.addEventListener('abort', () => {
    const { reason } = ended;
    const hungUp = reason instanceof SdkError && reason.code === SdkErrorCode.ConnectionClosed;
    if (!hungUp) controller.abort(reason);
  });
  return controller.signal;
}
