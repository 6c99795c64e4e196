import { z } from 'zod';
import { sourceSchema } from '../../agents/sources/source.ts';
import { REASONING_EFFORTS } from '../../agents/threads/thread.ts';
import type { Access } from '../../callers/access.ts';
import { agentNameSchema } from '../../identity/agent-id.ts';
import { TURN_STATES, type TurnRequest } from '../../turns/turn.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import type { Caller, Tool } from '../tool.ts';

const LONGEST_TIMEOUT_SECONDS = 86_400;
const MAX_SKILLS = 10;
const RETURNED_AS_IS = 'Pass it back to go on with the same workspace and conversation.';

/** Arguments that every working tool takes. */
const workInput = {
  agent_id: agentNameSchema
    .optional()
    .describe(
      'Which agent works. Each id has its own container, workspace and conversation, made on first use. Default: the one of your session.',
    ),
  model: z.string().min(1).max(100).optional().describe('Model of this turn.'),
  reasoning_effort: z.enum(REASONING_EFFORTS).optional().describe('How hard the model thinks.'),
  skills: z
    .array(z.string().min(1).max(100))
    .max(MAX_SKILLS)
    .optional()
    .describe('Skills that it has to use, by name; get_my_session_info lists them.'),
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(LONGEST_TIMEOUT_SECONDS)
    .optional()
    .describe('Bounds the whole call, waiting included.'),
  source: sourceSchema.optional(),
  wait: z
    .boolean()
    .optional()
    .describe('false: answer at once with a turn_id for get_turn and wait_turn. Default: true.'),
  justification: z
    .string()
    .min(1)
    .max(2000)
    .optional()
    .describe('Why, for whoever has to approve the call.'),
  idempotency_key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The same key never runs the work twice: a repeated call gets the same turn.'),
};

/**
 * Where a result comes from, in every result of a working tool.
 * @public
 */
export const workOutput = {
  agent_id: z.string().describe(RETURNED_AS_IS),
  session_id: z.string().describe('The conversation of the agent.'),
  turn_id: z.string(),
  notes: z
    .array(z.string())
    .optional()
    .describe(
      'What to know besides: that files or the conversation were lost and began anew, or that the disk is nearly full.',
    ),
  duration_ms: z.number().int(),
  cost_usd: z.number().optional().describe('What the model cost, if its price is known.'),
  usage: z.object({
    input_tokens: z.number().int(),
    cached_input_tokens: z.number().int(),
    output_tokens: z.number().int(),
    reasoning_output_tokens: z.number().int(),
    total_tokens: z.number().int(),
    model_requests: z.number().int(),
  }),
};

/** What a call with `wait: false` gets. */
const accepted = z.object({
  turn_id: z.string().describe('Pass it to wait_turn or get_turn.'),
  agent_id: z.string(),
  state: z.enum(TURN_STATES),
});

/** What a call asks for, by the arguments that are the tool's own. */
type Asked = Pick<TurnRequest, 'args'> & Partial<Omit<TurnRequest, 'tool' | 'args'>>;

type Face = Pick<Tool, 'title' | 'description' | 'annotations'> & {
  output: z.ZodObject;
  /** Where callers give other arguments than the kind takes, and how those follow from them. */
  asks?: {
    input: z.ZodRawShape;
    request(own: Record<string, unknown>, caller: Caller, agent: string | undefined): Asked;
  };
};

/** A tool whose calls are turns. */
export function workTool(access: Access, kind: TurnKind, face: Face): Tool {
  const { name } = kind;
  const { asks, ...shown } = face;
  const requestOf = (input: object, caller: Caller) => {
    const { agent_id, model, reasoning_effort, timeout_seconds, ...more } =
      workArguments.parse(input);
    const { wait, skills, justification, idempotency_key, source, ...own } = more;
    const asked: Asked = asks ? asks.request(own, caller, agent_id) : { args: own };
    return {
      ...asked,
      agentId: asked.agentId ?? agent_id ?? caller.defaultAgentId,
      tool: name,
      model: model ?? asked.model,
      effort: reasoning_effort ?? asked.effort,
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
    input: z.strictObject({ ...(asks?.input ?? kind.args.shape), ...workInput }),
    output: z.union([face.output.extend(workOutput), accepted]),
    async run(input, call) {
      const { wait } = workArguments.parse(input);
      const turns = access.turns(call.principal);
      if (wait !== false) return turns.run(requestOf(input, call), call);
      const { turnId, agentId, state } = turns.submit(requestOf(input, call));
      return { turn_id: turnId, agent_id: agentId, state };
    },
    submit: (input, call) => access.turns(call.principal).submit(requestOf(input, call)),
  };
}

const workArguments = z.looseObject(workInput);
