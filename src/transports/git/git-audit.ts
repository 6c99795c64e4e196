import type { CallerAudit } from '../../callers/caller-audit.ts';
import { toAppError } from '../../errors.ts';
import type { AgentId, AgentName } from '../../identity/agent-id.ts';
import type { GitService } from '../../workspaces/git-remote/git-service.ts';
import type { GitTraffic } from '../../workspaces/git-remote/git-traffic.ts';
import { pushedRefs } from '../../workspaces/git-remote/pushed-refs.ts';

const NAME_CHARACTERS = 128;

type Begun = {
  service: GitService;
  agentName: AgentName;
  audit: Pick<CallerAudit, 'append' | 'assertWritable'>;
  correlationId: string;
  /** Whether the client only lists refs; such a request is recorded only if it is refused. */
  asks: boolean;
};
type Log = { info(facts: object, message: string): void };

/** The audit of one request of a git client: a clone, a fetch or a push. */
export class GitAudit {
  agentId: AgentId | undefined;
  traffic: GitTraffic | undefined;
  readonly #begun: Begun;
  readonly #startedAt = performance.now();

  /** Throws `audit_unavailable` if records are required and cannot be written. */
  constructor(begun: Begun) {
    begun.audit.assertWritable();
    this.#begun = begun;
  }

  /** Writes the record, and a line of the log. */
  end(log: Log, error?: unknown): void {
    const { service, agentName, audit, correlationId, asks } = this.#begun;
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
    const shown = this.agentId ?? agentName.slice(0, NAME_CHARACTERS);
    log.info({ agent_id: shown, ...data }, 'git served');
    audit.append({ type: 'git', agentName, correlationId, data });
  }
}
