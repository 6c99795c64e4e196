import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentRecord } from './agent.ts';
import type { AgentStore } from './agent-store.ts';

export type AgentAdmissionOptions = {
  store: { agents: AgentStore };
  config: Pick<Config, 'MAX_AGENTS' | 'MAX_AGENTS_PER_PRINCIPAL'>;
};

/** Throws `too_many_agents` or `quota_exceeded` for an agent that does not exist yet. */
export function admitAgent(
  { store, config }: AgentAdmissionOptions,
  { agentId, owner }: AgentRecord,
): void {
  if (store.agents.get(agentId)) return;
  const { MAX_AGENTS: limit, MAX_AGENTS_PER_PRINCIPAL: ownLimit } = config;
  if (store.agents.count() >= limit) {
    throw new AppError(
      'too_many_agents',
      `The server has reached its limit of ${limit} agents (\`MAX_AGENTS\`).`,
      {
        data: { limit },
      },
    );
  }
  if (store.agents.count(owner) < ownLimit) return;
  throw new AppError(
    'quota_exceeded',
    `You have reached your limit of ${ownLimit} agents (\`MAX_AGENTS_PER_PRINCIPAL\`).`,
    {
      data: { limit: ownLimit },
    },
  );
}
