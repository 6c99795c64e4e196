import type { CodexEvent } from '../codex-event.ts';
import type { CodexNotification, ThreadItem } from '../protocol.ts';
import { unwrapShell } from '../shell-command.ts';

/** Undefined for reasoning, see `ReasoningSummaries`, and for everything that clients do not see. */
export function toTurnEvent({ method, params }: CodexNotification): CodexEvent | undefined {
  switch (method) {
    case 'turn/started':
      return { type: 'turn_started', turnId: params.turn.id };
    case 'turn/plan/updated':
      return { type: 'plan_updated', steps: params.plan.map(toPlanStep) };
    case 'item/started':
      return params.item && startedItem(params.item);
    case 'item/completed':
      return params.item && completedItem(params.item);
    case 'error':
      return params.willRetry ? { type: 'reconnecting', message: params.error.message } : undefined;
    case 'model/rerouted':
      return {
        type: 'warning',
        message: `The provider uses the model ${params.toModel} instead of ${params.fromModel}.`,
      };
    case 'warning':
      return { type: 'warning', message: params.message };
    default:
      return undefined;
  }
}

function startedItem(item: ThreadItem): CodexEvent | undefined {
  const itemId = item.id;
  switch (item.type) {
    case 'commandExecution':
      return { type: 'command_started', itemId, command: unwrapShell(item.command) };
    case 'mcpToolCall':
      return { type: 'tool_called', itemId, tool: `${item.server}.${item.tool}` };
    case 'dynamicToolCall':
    case 'collabAgentToolCall':
      return { type: 'tool_called', itemId, tool: item.tool };
    default:
      return undefined;
  }
}

function completedItem(item: ThreadItem): CodexEvent | undefined {
  const itemId = item.id;
  switch (item.type) {
    case 'agentMessage':
      return { type: 'message', itemId, text: item.text };
    case 'commandExecution':
      return {
        type: 'command_completed',
        itemId,
        command: unwrapShell(item.command),
        exitCode: item.exitCode ?? undefined,
        durationMs: item.durationMs ?? undefined,
        output: item.aggregatedOutput ?? '',
      };
    case 'fileChange':
      return {
        type: 'files_changed',
        itemId,
        paths: item.changes.flatMap(({ path, kind }) =>
          kind.move_path ? [path, kind.move_path] : [path],
        ),
        applied: item.status === 'completed',
      };
    case 'webSearch':
      return { type: 'web_searched', itemId, query: item.query };
    case 'contextCompaction':
      return { type: 'context_compacted' };
    default:
      return undefined;
  }
}

function toPlanStep({
  step,
  status,
}: {
  step: string;
  status: 'pending' | 'inProgress' | 'completed';
}) {
  return { step, status: status === 'inProgress' ? ('in_progress' as const) : status };
}
