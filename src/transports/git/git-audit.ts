import type { AuditLog } from '../../audit/audit-log.ts';
import { toAppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import type { GitService } from '../../workspaces/git-remote/git-service.ts';
import type { GitTraffic } from '../../workspaces/git-remote/git-traffic.ts';
import { pushedRefs } from '../../workspaces/git-remote/pushed-refs.ts';

const NAME_CHARACTERS = 128;

type Begun = {
  service: GitService;
  /** The agent's name, as its caller writes it. */
  name: string;
  principal: Principal;
  correlationId: string;
  /** Whether the client only lists refs; such a request is recorded only if it is refused. */
  asks: boolean;
};
type Log = { info(facts: object, message: string): void };

/** Audits clones, fetches and pushes. */
export class GitAudit {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** Throws `audit_unavailable` if records are required and cannot be written. */
  begin(begun: Begun): GitNote {
    this.#audit.assertWritable();
    return new GitNote(this.#audit, begun);
  }
}

/** The audit of one request of a git client. */
class GitNote {
  agentId: string | undefined;
  traffic: GitTraffic | undefined;
  readonly #audit: AuditLog;
  readonly #begun: Begun;
  readonly #startedAt = performance.now();

  constructor(audit: AuditLog, begun: Begun) {
    this.#audit = audit;
    this.#begun = begun;
  }

  /** Writes the record, and a line of the log. */
  end(log: Log, error?: unknown): void {
    const { service, name, principal, correlationId, asks } = this.#begun;
    const { traffic } = this;
    if (error === undefined && (asks || traffic?.listsRefs)) return;
    const data = {
      service,
      outcome: error === undefined ? 'ok' : toAppError(error).code,
      exitCode: traffic?.exitCode,
      bytesIn: traffic?.bytesIn,
      bytesOut: traffic?.bytesOut,
      refs: service === 'git-receive-pack' && traffic ? pushedRefs(traffic.head) : undefined,
      durationMs: Math.round(performance.now() - this.#startedAt),
    };
    const agentId = this.agentId ?? name.slice(0, NAME_CHARACTERS);
    log.info({ agent_id: agentId, ...data }, 'git served');
    this.#audit.append({ type: 'git', principal, agentId, correlationId, data });
  }
}
