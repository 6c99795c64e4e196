import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { sourceSchema } from '../../agents/sources/source.ts';
import type { CallerAgents } from '../../callers/caller-agents.ts';
import type { CallerFiles } from '../../callers/caller-files.ts';
import { checkedInput } from '../../checked-input.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { ownNameSchema } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import { agentState } from '../../tools/agent-tools.ts';
import { disconnectSignal } from '../http/disconnect.ts';

export type AgentDesk = Pick<CallerFiles, 'begin'>;

type Options = {
  files: (principal: Principal) => AgentDesk;
  agents: (principal: Principal) => Pick<CallerAgents, 'find' | 'get'>;
  config: Pick<Config, 'TOOL_DEFAULT_TIMEOUT'>;
};

const beginBody = z
  .strictObject({ agent_id: ownNameSchema.optional(), source: sourceSchema.optional() })
  .default({});

/** Creates an agent before its first call: 201, or 200 for an existing one, with its state. */
export function beginRoute(app: FastifyInstance, { files, agents, config }: Options): void {
  app.post('/api/v1/agents', async ({ body, principal }, reply) => {
    const { agent_id: id = `agent-${randomBytes(4).toString('hex')}`, source } = checkedInput(
      beginBody,
      body,
      'The body',
    );
    const own = agents(principal);
    const existed = own.find(id) !== undefined;
    const limit = AbortSignal.timeout(config.TOOL_DEFAULT_TIMEOUT * 1000);
    const signal = AbortSignal.any([limit, disconnectSignal(reply)]);
    try {
      const { filled, notes } = await files(principal).begin(id, { source, signal });
      return await reply
        .code(existed ? 200 : 201)
        .send({ ...agentState(own.get(id)), filled, ...(notes.length > 0 && { notes }) });
    } catch (error) {
      if (!signal.aborted) throw error;
      const seconds = config.TOOL_DEFAULT_TIMEOUT;
      throw new AppError('turn_timeout', `The agent was not filled within ${seconds} s.`, {
        cause: error,
      });
    }
  });
}
