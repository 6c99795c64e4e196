import type { AgentEvent, AgentEvents } from '../../agents/agent-events.ts';
import { type AuditEntry, type AuditLog, SERVER } from '../../audit/audit-log.ts';

const TYPES = {
  stop: 'agent_stopped',
  archive: 'agent_archived',
  remove: 'agent_removed',
} as const;

/** Audits agents that are stopped, archived or removed. A pause is not recorded. */
export function auditAgents(events: AgentEvents, audit: AuditLog): void {
  events.listen((event) => {
    const entry = entryOf(event);
    if (entry) audit.append(entry);
  });
}

function entryOf(event: AgentEvent): AuditEntry | undefined {
  if (event.type !== 'agent_taken' || event.transition === 'pause') return undefined;
  const { transition, agentId, reason } = event;
  // Otherwise a caller cleans up or cancels.
  const byItself = reason !== 'cleanup' && reason !== 'halt';
  return {
    type: TYPES[transition],
    agentId,
    data: { reason },
    ...(byItself && { principal: SERVER }),
  };
}
