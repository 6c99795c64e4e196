import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentRecord } from './agent.ts';
import type { AgentStore } from './agent-store.ts';

export type AgentAdmissionOptions = {
  store: { agents: AgentStore };
  config: Pick<Config, 'MAX_AGENTS' | 'MAX_AGENTS_PER_PRINCIPAL'>;
};

/**
 * Each agent has files, which nobody removes for a caller that invents ids. Throws `too_many_agents`
 * or `quota_exceeded` for one that does not exist yet.
 */
export function admitAgent(
  { store, config }: AgentAdmissionOptions,
  { agentId, owner }: AgentRecord,
): void {
  if (store.agents.get(agentId)) return;
  const { MAX_AGENTS: limit, MAX_AGENTS_PER_PRINCIPAL: ownLimit } = config;
  if (store.agents.count() >= limit) {
    throw new AppError('too_many_agents', `There are ${limit} agents, as many as may be.`, {
      data: { limit },
    });
  }
  if (store.agents.count(owner) < ownLimit) return;
  throw new AppError('quota_exceeded', `You have ${ownLimit} agents, as many as may be.`, {
    data: { limit: ownLimit },
  });
}
