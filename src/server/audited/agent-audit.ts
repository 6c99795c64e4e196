import type { AgentEvent, AgentEvents } from '../../agents/agent-events.ts';
import { type AuditEntry, type AuditLog, SERVER } from '../../audit/audit-log.ts';

const TYPES = {
  stop: 'agent_stopped',
  archive: 'agent_archived',
  remove: 'agent_removed',
} as const;

/** Has the audit tell which agents are taken down, and why. A pause ends nothing. */
export function auditAgents(events: AgentEvents, audit: AuditLog): void {
  events.listen((event) => {
    const entry = entryOf(event);
    if (entry) audit.append(entry);
  });
}

function entryOf(event: AgentEvent): AuditEntry | undefined {
  if (event.type !== 'agent_taken' || event.transition === 'pause') return undefined;
  const { transition, agentId, reason } = event;
  // Else it is somebody who cleans up or cancels.
  const byItself = reason !== 'cleanup' && reason !== 'halt';
  return {
    type: TYPES[transition],
    agentId,
    data: { reason },
    ...(byItself && { principal: SERVER }),
  };
}
