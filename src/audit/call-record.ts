import { toAppError } from '../errors.ts';
import type { Principal } from '../identity/principal.ts';
import type { AuditLog } from './audit-log.ts';

const ID_CHARACTERS = 128;

/** A call of a route that is not a tool. */
type Call = {
  /** The name of the call in the audit. */
  tool: string;
  principal: Principal;
  /** As the caller sent it; cut to the length of an id. */
  agentId: string;
};

/** Runs `work` and records its outcome and its report. Throws what `work` throws. */
export async function auditCall<T extends object | undefined>(
  audit: AuditLog,
  call: Call,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const report = await work();
    recordCall(audit, call, { outcome: 'ok', ...report });
    return report;
  } catch (error) {
    recordCall(audit, call, { outcome: toAppError(error).code });
    throw error;
  }
}

export function recordCall(audit: AuditLog, { tool, principal, agentId }: Call, data: object) {
  audit.append({
    type: 'call',
    principal,
    agentId: agentId.slice(0, ID_CHARACTERS),
    data: { tool, ...data },
  });
}
