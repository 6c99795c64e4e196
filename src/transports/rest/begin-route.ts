import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { sourceSchema } from '../../agents/sources/source.ts';
import type { CallerFiles } from '../../callers/caller-files.ts';
import { checkedInput } from '../../checked-input.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { agentIdSchema } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import { disconnectSignal } from '../http/disconnect.ts';
import type { AgentFeed } from './agent-routes.ts';

/** What this route needs of the workspaces. */
export type AgentDesk = Pick<CallerFiles, 'begin'>;

type Options = {
  files: (principal: Principal) => AgentDesk;
  agents: (principal: Principal) => AgentFeed;
  config: Pick<Config, 'TOOL_DEFAULT_TIMEOUT'>;
};

const beginBody = z
  .strictObject({ agent_id: agentIdSchema.optional(), source: sourceSchema.optional() })
  .default({});

/** Begins an agent ahead of its first call: 201, or 200 if it was there, with how it is. */
export function beginRoute(app: FastifyInstance, { files, agents, config }: Options): void {
  app.post('/api/v1/agents', async ({ body, principal }, reply) => {
    const { agent_id: id = `agent-${randomBytes(4).toString('hex')}`, source } = checkedInput(
      beginBody,
      body,
      'The body',
    );
    const { outlooks } = agents(principal);
    const wasThere = isThere(() => outlooks(id));
    const limit = AbortSignal.timeout(config.TOOL_DEFAULT_TIMEOUT * 1000);
    const signal = AbortSignal.any([limit, disconnectSignal(reply)]);
    try {
      const { filled, notes } = await files(principal).begin(id, { source, signal });
      const [outlook] = outlooks(id);
      return await reply
        .code(wasThere ? 200 : 201)
        .send({ agent_id: id, filled, ...(notes.length > 0 && { notes }), ...outlook });
    } catch (error) {
      if (!signal.aborted) throw error;
      const seconds = config.TOOL_DEFAULT_TIMEOUT;
      throw new AppError('turn_timeout', `The agent was not filled within ${seconds} s.`, {
        cause: error,
      });
    }
  });
}

function isThere(look: () => readonly object[]): boolean {
  try {
    return look().length > 0;
  } catch (error) {
    if (error instanceof AppError && error.code === 'agent_not_found') return false;
    throw error;
  }
}
