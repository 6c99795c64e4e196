import type { AgentId } from '../../identity/agent-id.ts';

const QUIET_MS = 60_000;
/** Hosts of one agent that are reported per minute. */
const MOST_HOSTS = 30;

/** Limits the events of denials: each host of an agent at most once a minute. */
export class DenialThrottle {
  readonly #told = new Map<AgentId, Map<string, number>>();

  shouldReport(agentId: AgentId, host: string): boolean {
    const now = performance.now();
    const hosts = this.#told.get(agentId) ?? new Map<string, number>();
    this.#told.set(agentId, hosts);
    for (const [known, at] of hosts) if (now - at >= QUIET_MS) hosts.delete(known);
    if (hosts.has(host) || hosts.size >= MOST_HOSTS) return false;
    hosts.set(host, now);
    return true;
  }

  forget(agentId: AgentId): void {
    this.#told.delete(agentId);
  }
}
