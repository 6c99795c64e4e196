import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import { toAppError } from '../errors.ts';
import type { AgentId, AgentName } from '../identity/agent-id.ts';
import { CallerView } from './caller-view.ts';

const NAME_CHARACTERS = 128;

export type AuditServices = { audit: AuditLog };

type CallerEntry = Omit<AuditEntry, 'agentId' | 'principal'> & { agentName: AgentName };

/** Audits what one caller does, by the ids of agents: callers may have one name for two agents. */
export class CallerAudit extends CallerView<AuditServices> {
  /** See `AuditLog.assertWritable`. */
  assertWritable(): void {
    this.services.audit.assertWritable();
  }

  append({ agentName, ...entry }: CallerEntry): void {
    const agentId = this.#idOf(agentName);
    this.services.audit.append({ ...entry, principal: this.principal, agentId });
  }

  /** Runs a call of a route that is no tool; records its outcome and its report. Throws what `work` throws. */
  async call<T extends object | undefined>(
    tool: string,
    agentName: AgentName,
    work: () => Promise<T>,
  ): Promise<T> {
    const record = (data: object) =>
      this.append({ type: 'call', agentName, data: { tool, ...data } });
    try {
      const report = await work();
      record({ outcome: 'ok', ...report });
      return report;
    } catch (error) {
      record({ outcome: toAppError(error).code });
      throw error;
    }
  }

  /** A name that the caller may not use is recorded as it was given. */
  #idOf(name: AgentName): AgentId {
    try {
      return this.idOf(name);
    } catch {
      return `${name.slice(0, NAME_CHARACTERS)}`;
    }
  }
}
