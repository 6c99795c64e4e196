import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { agentIdSchema } from '../../identity/agent-id.ts';

export const AGENT_ID_HEADER = 'x-agent-id';

/** The agent id of `X-Agent-Id`, else of `?agent_id=`, else a new one. */
export function agentIdFor(request: FastifyRequest): string {
  return givenAgentId(request) ?? `session-${randomBytes(4).toString('hex')}`;
}

/** One query parameter: an array if the URL repeats it. */
export function queryParameter(request: FastifyRequest, name: string): unknown {
  const { query } = request;
  return typeof query === 'object' && query !== null ? Reflect.get(query, name) : undefined;
}

function givenAgentId(request: FastifyRequest): string | undefined {
  const given = request.headers[AGENT_ID_HEADER] ?? queryParameter(request, 'agent_id');
  if (given === undefined) return;
  const parsed = agentIdSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues[0]?.message ?? 'is no agent id';
  throw new AppError('invalid_input', `The agent id in X-Agent-Id or ?agent_id= ${problem}.`);
}
