import type { AgentStore } from '../agents/agent-store.ts';
import type { AuditEntry } from '../audit/audit-log.ts';
import { LOCAL } from '../identity/principal.ts';
import type { TurnRecord } from './turn.ts';
import type { TurnStore } from './turn-store.ts';

/** Who had something done, and in which turn. */
export type Circumstances = Pick<
  AuditEntry,
  'principal' | 'agentId' | 'sessionId' | 'turnId' | 'correlationId'
>;

export function circumstancesOf({ agentId, turnId, sent, request }: TurnRecord): Circumstances {
  const { principal: id = LOCAL.id, tenant = LOCAL.tenant, correlationId } = request;
  return { principal: { id, tenant }, agentId, turnId, sessionId: sent?.threadId, correlationId };
}

/** The same by the id of a turn. */
export function circumstancesOfTurn({ turns }: { turns: TurnStore }, turnId: string) {
  const turn = turns.get(turnId);
  return turn ? circumstancesOf(turn) : {};
}

/** Of what an agent does at a time: between turns, by programs that live on, it acts for its owner. */
export function circumstancesOfAgent(
  { agents }: { agents: AgentStore },
  current: TurnRecord | undefined,
  { agentId, at }: { agentId: string; at: Date },
): Circumstances {
  if (current && current.createdAt <= at) return circumstancesOf(current);
  const agent = agents.get(agentId);
  return agent ? { principal: { id: agent.owner, tenant: agent.tenant } } : {};
}
