import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { type AgentName, ownNameSchema } from '../../identity/agent-id.ts';

export const AGENT_ID_HEADER = 'x-agent-id';

/** The agent of `X-Agent-Id`, else of `?agent_id=`, else a new one. */
export function agentNameFor(request: FastifyRequest): AgentName {
  return givenName(request) ?? `session-${randomBytes(4).toString('hex')}`;
}

/** One query parameter: an array if the URL repeats it. */
export function queryParameter(request: FastifyRequest, name: string): unknown {
  const { query } = request;
  return typeof query === 'object' && query !== null ? Reflect.get(query, name) : undefined;
}

function givenName(request: FastifyRequest): AgentName | undefined {
  const given = request.headers[AGENT_ID_HEADER] ?? queryParameter(request, 'agent_id');
  if (given === undefined) return;
  const parsed = ownNameSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues[0]?.message ?? 'is no agent id';
  throw new AppError('invalid_input', `The agent id in X-Agent-Id or ?agent_id= ${problem}.`);
}
