import { z } from 'zod';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { Access } from '../callers/access.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { TURN_STATES, type TurnRecord } from '../turns/turn.ts';
import { LOOKING } from './annotations.ts';
import type { Tool } from './tool.ts';

/** Below the 60 s after which most clients give a call up. */
const DEFAULT_WAIT_SECONDS = 50;
const LONGEST_WAIT_SECONDS = 3600;
const DEFAULT_LIMIT = 20;
const LARGEST_LIMIT = 200;

const turnId = z.string().min(1).max(100).describe('From a result, or from list_turns.');

const summary = z.object({
  turn_id: z.string(),
  agent_id: z.string(),
  tool: z.string(),
  state: z.enum(TURN_STATES),
  error_code: z.string().nullable(),
  created_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
});
const whole = summary.extend({
  result: z.record(z.string(), z.unknown()).nullable().describe('What the tool returned.'),
  error: z.record(z.string(), z.unknown()).nullable().describe('Why it has no result.'),
});

const getInput = z.strictObject({ turn_id: turnId });

/** How a turn is now. */
export function getTurnTool(access: Access): Tool<typeof getInput, typeof whole> {
  return {
    name: 'get_turn',
    title: 'Show a turn',
    description:
      'Shows how a call of a working tool is now: its state, and its result once it has ended.',
    annotations: LOOKING,
    input: getInput,
    output: whole,
    run: async ({ turn_id }, { principal }) => describeWhole(access.turns(principal).get(turn_id)),
  };
}

const waitInput = getInput.extend({
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(LONGEST_WAIT_SECONDS)
    .default(DEFAULT_WAIT_SECONDS)
    .describe('How long to wait at most. The turn itself goes on.'),
});

/** Waits for a turn. */
export function waitTurnTool(access: Access): Tool<typeof waitInput, typeof whole> {
  return {
    name: 'wait_turn',
    title: 'Wait for a turn',
    description:
      'Waits until a turn has ended, with progress, and returns it. Still running after timeout_seconds: call again.',
    annotations: LOOKING,
    input: waitInput,
    output: whole,
    async run({ turn_id, timeout_seconds }, call) {
      const signal = AbortSignal.any([call.signal, AbortSignal.timeout(timeout_seconds * 1000)]);
      const progress = (message: string) => call.progress(message);
      const onApproval = (approval: ApprovalRecord) => call.onApproval?.(approval);
      const waiter = { signal, progress, onApproval };
      return describeWhole(await access.turns(call.principal).wait(turn_id, waiter));
    },
  };
}

const steerInput = z.strictObject({
  turn_id: turnId,
  message: z.string().trim().min(1).describe('What Codex should know or do differently.'),
});

/** Says more to a turn that runs. */
export function steerTool(access: Access): Tool<typeof steerInput, typeof summary> {
  return {
    name: 'steer',
    title: 'Steer a turn',
    description:
      'Says more to Codex while it works on a turn, without ending it: a correction, a hint, a wish. The turn goes on to its result.',
    annotations: { ...LOOKING, readOnlyHint: false, idempotentHint: false },
    input: steerInput,
    output: summary,
    run: async ({ turn_id, message }, { principal }) =>
      describe(await access.turns(principal).steer(turn_id, message)),
  };
}

/** Ends a turn. */
export function cancelTurnTool(access: Access): Tool<typeof getInput, typeof whole> {
  return {
    name: 'cancel_turn',
    title: 'Cancel a turn',
    description:
      'Ends a turn that waits or runs, and everything that it started. What an implement had written stays.',
    annotations: { ...LOOKING, readOnlyHint: false, destructiveHint: true },
    servedWhenFull: true,
    input: getInput,
    output: whole,
    run: async ({ turn_id }, { principal }) =>
      describeWhole(await access.turns(principal).cancel(turn_id)),
  };
}

const listInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Only turns of this agent.'),
  limit: z.number().int().min(1).max(LARGEST_LIMIT).default(DEFAULT_LIMIT),
});
const listOutput = z.object({ turns: z.array(summary) });

/** The last turns. */
export function listTurnsTool(access: Access): Tool<typeof listInput, typeof listOutput> {
  return {
    name: 'list_turns',
    title: 'List turns',
    description: 'Lists the last calls of the working tools, the newest first.',
    annotations: LOOKING,
    input: listInput,
    output: listOutput,
    run: async ({ agent_id: agent, limit }, { principal }) => ({
      turns: access.turns(principal).list({ agent, limit }).map(describe),
    }),
  };
}

function describe(turn: TurnRecord): z.input<typeof summary> {
  return {
    turn_id: turn.turnId,
    agent_id: turn.agentId,
    tool: turn.tool,
    state: turn.state,
    error_code: turn.error?.code ?? null,
    created_at: turn.createdAt.toISOString(),
    ended_at: turn.endedAt?.toISOString() ?? null,
  };
}

function describeWhole(turn: TurnRecord): z.input<typeof whole> {
  return { ...describe(turn), result: turn.result ?? null, error: turn.error ?? null };
}
