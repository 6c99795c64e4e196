import { z } from 'zod';
import type { ApprovalView } from '../callers/caller-approvals.ts';
import type { TurnView } from '../callers/caller-turns.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { TURN_STATES } from '../turns/turn.ts';
import { QUERY } from './annotations.ts';
import { filterByAgent, limit, turnId } from './arguments.ts';
import { defineTool } from './tool.ts';

/** Most clients end a call after 60 s. */
const DEFAULT_WAIT_SECONDS = 50;
const LONGEST_WAIT_SECONDS = 3600;
const DEFAULT_LIMIT = 20;
const LARGEST_LIMIT = 200;

export const turnSummary = z.object({
  turn_id: z.string(),
  agent_id: z.string(),
  tool: z.string(),
  state: z.enum(TURN_STATES),
  error_code: z.string().nullable(),
  created_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
});
const turnWithResult = turnSummary.extend({
  result: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('The result of the tool. Null before the turn has completed.'),
  error: z.record(z.string(), z.unknown()).nullable().describe('Why the turn has no result.'),
});

const getInput = z.strictObject({ turn_id: turnId });

export const getTurnTool = (views: CallerViews) =>
  defineTool({
    name: 'get_turn',
    title: 'Show a turn',
    description:
      'Shows the state of a turn, and its result once it has ended; use it to look at a call that was started with wait: false or whose answer was lost.',
    annotations: QUERY,
    input: getInput,
    output: turnWithResult,
    run: async ({ turn_id }, { principal }) =>
      describeTurnWithResult(views.turns(principal).get(turn_id)),
  });

const waitInput = getInput.extend({
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(LONGEST_WAIT_SECONDS)
    .default(DEFAULT_WAIT_SECONDS)
    .describe('The longest time to wait. The turn goes on after it.'),
});

export const waitTurnTool = (views: CallerViews) =>
  defineTool({
    name: 'wait_turn',
    title: 'Wait for a turn',
    description:
      'Waits until a turn has ended and returns its result; use it after a call with wait: false. If the turn has not ended after timeout_seconds, the call returns its state: call again.',
    annotations: QUERY,
    input: waitInput,
    output: turnWithResult,
    async run({ turn_id, timeout_seconds }, call) {
      const signal = AbortSignal.any([call.signal, AbortSignal.timeout(timeout_seconds * 1000)]);
      const progress = (message: string) => call.progress(message);
      const onApproval = (approval: ApprovalView) => call.onApproval?.(approval);
      const waiter = { signal, progress, onApproval };
      return describeTurnWithResult(await views.turns(call.principal).wait(turn_id, waiter));
    },
  });

const steerInput = z.strictObject({
  turn_id: turnId,
  message: z.string().trim().min(1).describe('What Codex should know or do differently.'),
});

export const steerTool = (views: CallerViews) =>
  defineTool({
    name: 'steer',
    title: 'Steer a turn',
    description:
      'Sends a message to Codex during a turn; use it to correct or add something without a new call. The turn goes on and returns its result as before.',
    annotations: { ...QUERY, readOnlyHint: false, idempotentHint: false },
    input: steerInput,
    output: turnSummary,
    run: async ({ turn_id, message }, { principal }) =>
      describeTurn(await views.turns(principal).steer(turn_id, message)),
  });

export const cancelTurnTool = (views: CallerViews) =>
  defineTool({
    name: 'cancel_turn',
    title: 'Cancel a turn',
    description:
      'Cancels a turn that waits or runs, and kills every process that it started; use it when the result is no longer wanted. Files that implement, fix or codex has written stay.',
    annotations: { ...QUERY, readOnlyHint: false, destructiveHint: true },
    servedWhenFull: true,
    input: getInput,
    output: turnWithResult,
    run: async ({ turn_id }, { principal }) =>
      describeTurnWithResult(await views.turns(principal).cancel(turn_id)),
  });

const listInput = z.strictObject({
  agent_id: filterByAgent,
  limit: limit(LARGEST_LIMIT, DEFAULT_LIMIT),
});
const listOutput = z.object({ turns: z.array(turnSummary) });

export const listTurnsTool = (views: CallerViews) =>
  defineTool({
    name: 'list_turns',
    title: 'List turns',
    description: 'Lists the last turns of your agents, the newest first; use it to find a turn_id.',
    annotations: QUERY,
    input: listInput,
    output: listOutput,
    run: async ({ agent_id: agent, limit }, { principal }) => ({
      turns: views.turns(principal).list({ agent, limit }).map(describeTurn),
    }),
  });

export function describeTurn(turn: TurnView): z.input<typeof turnSummary> {
  return {
    turn_id: turn.turnId,
    agent_id: turn.agentName,
    tool: turn.tool,
    state: turn.state,
    error_code: turn.error?.code ?? null,
    created_at: turn.createdAt.toISOString(),
    ended_at: turn.endedAt?.toISOString() ?? null,
  };
}

function describeTurnWithResult(turn: TurnView): z.input<typeof turnWithResult> {
  return { ...describeTurn(turn), result: turn.result ?? null, error: turn.error ?? null };
}
