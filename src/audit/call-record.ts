import { toAppError } from '../errors.ts';
import type { Principal } from '../identity/principal.ts';
import type { AuditLog } from './audit-log.ts';

const ID_CHARACTERS = 128;

/** A call of a route that is no tool's. */
type Call = {
  /** What the audit knows the call by. */
  tool: string;
  principal: Principal;
  /** Whatever the caller named; what is too long for an id is cut. */
  agentId: string;
};

/** Has the audit tell how a call ended, and what it answers. Throws what `work` throws. */
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

/** Has the audit tell of a call that has ended. */
export function recordCall(audit: AuditLog, { tool, principal, agentId }: Call, data: object) {
  audit.append({
    type: 'call',
    principal,
    agentId: agentId.slice(0, ID_CHARACTERS),
    data: { tool, ...data },
  });
}
