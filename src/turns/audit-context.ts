import type { AgentStore } from '../agents/agent-store.ts';
import type { AuditEntry } from '../audit/audit-log.ts';
import type { AgentId } from '../identity/agent-id.ts';
import { LOCAL } from '../identity/principal.ts';
import type { TurnRecord } from './turn.ts';
import type { TurnStore } from './turn-store.ts';

/** The principal and the turn that an audited event belongs to. */
export type AuditContext = Pick<
  AuditEntry,
  'principal' | 'agentId' | 'sessionId' | 'turnId' | 'correlationId'
>;

export function auditContextOf({ agentId, turnId, sent, request }: TurnRecord): AuditContext {
  const { principal: id = LOCAL.id, tenant = LOCAL.tenant, correlationId } = request;
  return { principal: { id, tenant }, agentId, turnId, sessionId: sent?.threadId, correlationId };
}

export function auditContextOfTurn(turns: Pick<TurnStore, 'get'>, turnId: string): AuditContext {
  const turn = turns.get(turnId);
  return turn ? auditContextOf(turn) : {};
}

/** Events of an agent at a time without a turn belong to its owner: programs outlive turns. */
export function auditContextOfAgent(
  agents: Pick<AgentStore, 'get'>,
  current: TurnRecord | undefined,
  { agentId, at }: { agentId: AgentId; at: Date },
): AuditContext {
  if (current && current.createdAt <= at) return auditContextOf(current);
  const agent = agents.get(agentId);
  return agent ? { principal: { id: agent.owner, tenant: agent.tenant } } : {};
}
