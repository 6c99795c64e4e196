import { z } from 'zod';
import { sourceSchema } from '../../agents/sources/source.ts';
import { REASONING_EFFORTS } from '../../agents/threads/thread.ts';
import type { CallerRequest } from '../../callers/caller-turns.ts';
import type { CallerViews } from '../../callers/caller-views.ts';
import { type AgentName, agentNameSchema } from '../../identity/agent-id.ts';
import { TURN_STATES } from '../../turns/turn.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { timeoutSeconds } from '../arguments.ts';
import type { Caller, Tool } from '../tool.ts';

const MAX_SKILLS = 10;

/** Arguments of every tool that runs a turn. */
export const workInput = {
  agent_id: agentNameSchema
    .optional()
    .describe(
      'The agent that works. Each agent has its own container, workspace and conversation, created on first use. Default: the agent that get_my_session_info shows.',
    ),
  model: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('The model of this turn. Default: that of the conversation or the agent.'),
  reasoning_effort: z
    .enum(REASONING_EFFORTS)
    .optional()
    .describe('How long the model thinks. Default: as set for the conversation or the agent.'),
  skills: z
    .array(z.string().min(1).max(100))
    .max(MAX_SKILLS)
    .optional()
    .describe('Names of skills that Codex has to use. get_my_session_info lists them.'),
  timeout_seconds: timeoutSeconds.describe(
    'Limits the whole call, waiting included. Default: TOOL_DEFAULT_TIMEOUT of the server.',
  ),
  source: sourceSchema.optional(),
  wait: z
    .boolean()
    .optional()
    .describe('false: returns a turn_id at once, for wait_turn and get_turn. Default: true.'),
  justification: z
    .string()
    .min(1)
    .max(2000)
    .optional()
    .describe('Why the call is needed, for the approver.'),
  idempotency_key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'A second call with the same key returns the turn of the first call instead of running again.',
    ),
};

/**
 * Part of the result of every tool that runs a turn.
 * @public
 */
export const workOutput = {
  agent_id: z.string().describe('Pass it back to go on with the same workspace and conversation.'),
  session_id: z.string().describe('The conversation of the agent.'),
  turn_id: z.string(),
  notes: z
    .array(z.string())
    .optional()
    .describe(
      'What you should know, for instance that the conversation was lost or that the disk is nearly full.',
    ),
  duration_ms: z.number().int(),
  cost_usd: z
    .number()
    .optional()
    .describe('The cost of the model requests, if the price is known.'),
  usage: z.object({
    input_tokens: z.number().int(),
    cached_input_tokens: z.number().int(),
    output_tokens: z.number().int(),
    reasoning_output_tokens: z.number().int(),
    total_tokens: z.number().int(),
    model_requests: z.number().int(),
  }),
};

/** Result of a call with `wait: false`. */
const accepted = z.object({
  turn_id: z.string().describe('Pass it to wait_turn or get_turn.'),
  agent_id: z.string(),
  state: z.enum(TURN_STATES),
});

/** The part of a turn's request that a tool decides by itself. */
type OwnRequest = Pick<CallerRequest, 'args'> & Partial<Omit<CallerRequest, 'tool' | 'args'>>;

type Details = Pick<Tool, 'title' | 'description' | 'annotations'> & {
  output: z.ZodObject;
  /** Where the arguments of the tool differ from those of the kind: how to convert them. */
  convert?: {
    input: z.ZodRawShape;
    request(
      args: Record<string, unknown>,
      caller: Caller,
      agentName: AgentName | undefined,
    ): OwnRequest;
  };
};

/** A tool that runs a turn. */
export function workTool(views: CallerViews, kind: TurnKind, details: Details): Tool {
  const { name } = kind;
  const { convert, ...shown } = details;
  const requestOf = (input: object, caller: Caller) => {
    const { agent_id, model, reasoning_effort, timeout_seconds, ...more } =
      workArguments.parse(input);
    const { wait, skills, justification, idempotency_key, source, ...args } = more;
    const own: OwnRequest = convert ? convert.request(args, caller, agent_id) : { args };
    return {
      ...own,
      agentName: own.agentName ?? agent_id ?? caller.defaultAgentName,
      tool: name,
      model: model ?? own.model,
      effort: reasoning_effort ?? own.effort,
      skills,
      timeoutSeconds: timeout_seconds,
      justification,
      correlationId: caller.correlationId,
      idempotencyKey: idempotency_key,
      ...(source && { source }),
    };
  };
  return {
    ...shown,
    name,
    input: z.strictObject({ ...(convert?.input ?? kind.args.shape), ...workInput }),
    output: z.union([details.output.extend(workOutput), accepted]),
    async run(input, call) {
      const { wait } = workArguments.parse(input);
      const turns = views.turns(call.principal);
      if (wait !== false) return turns.run(requestOf(input, call), call);
      const { turnId, agentName, state } = turns.submit(requestOf(input, call));
      return { turn_id: turnId, agent_id: agentName, state };
    },
    submit: (input, call) => views.turns(call.principal).submit(requestOf(input, call)),
  };
}

const workArguments = z.looseObject(workInput);
