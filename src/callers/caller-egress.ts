import type { AgentRecord } from '../agents/agent.ts';
import { AppError } from '../errors.ts';
import type { Egress, ListedConnection } from '../gateway/egress/egress.ts';
import type { EgressRuleRecord } from '../gateway/egress/egress-record.ts';
import { bracketed } from '../gateway/egress/host-name.ts';
import type { AgentId, AgentName } from '../identity/agent-id.ts';
import { may, type Permission } from '../identity/principal.ts';
import { CallerView } from './caller-view.ts';

export type EgressServices = { egress: Egress };

export type EgressRuleView = Omit<EgressRuleRecord, 'agentId'>;
export type ConnectionView = Omit<ListedConnection, 'agentId'>;

/** As `parseEgressRule` reads hosts. Default port: 443 and 80. */
export type Destination = { host: string; port?: number | undefined };

type Decided<T> = T & { agent: AgentName };

/** Network access of the agents that one caller sees or, as an approver, decides about. */
export class CallerEgress extends CallerView<EgressServices> {
  /** Rules and the last connections. Throws `agent_not_found` or `forbidden`. */
  list(name: AgentName, limit: number) {
    const { agentId } = this.#find(name, 'read');
    const { egress } = this.services;
    const connections: ConnectionView[] = egress.connections(agentId, limit);
    return { ...this.#rulesOf(agentId), rulesForAll: egress.rules.forAll, connections };
  }

  /** Throws `invalid_input`, `agent_not_found` or `forbidden`. */
  allow(name: AgentName, where: Destination, duration: 'once' | 'always'): Decided<EgressRuleView> {
    const agentId = this.#findToDecide(name);
    const options = { for: duration, by: this.principal.id };
    const rule = this.services.egress.rules.allow(agentId, ruleText(where), options);
    return { ...rule, agent: this.nameOf(agentId) };
  }

  /** Returns the rules of the agent. Throws like `allow`. */
  deny(name: AgentName, where: Destination): Decided<{ rules: EgressRuleView[] }> {
    const agentId = this.#findToDecide(name);
    this.services.egress.rules.deny(agentId, ruleText(where), { by: this.principal.id });
    return this.#rulesOf(agentId);
  }

  /** Removes the rule for a host, so that `EGRESS_ALLOW` decides. Returns and throws like `deny`. */
  forget(name: AgentName, where: Destination): Decided<{ rules: EgressRuleView[] }> {
    const agentId = this.#findToDecide(name);
    this.services.egress.rules.remove(agentId, ruleText(where));
    return this.#rulesOf(agentId);
  }

  #rulesOf(agentId: AgentId): Decided<{ rules: EgressRuleView[] }> {
    return { agent: this.nameOf(agentId), rules: this.services.egress.rules.list(agentId) };
  }

  #find(name: AgentName, permission: Permission): AgentRecord {
    this.demand(permission);
    return this.services.ownerships.find(this.principal, name, { asApprover: true });
  }

  /** Nobody but an administrator decides about agents of their own. */
  #findToDecide(name: AgentName): AgentId {
    const { agentId, owner } = this.#find(name, 'approve');
    if (owner !== this.principal.id || may(this.principal, 'administer')) return agentId;
    throw new AppError('forbidden', 'Another approver has to decide about your own agents.');
  }
}

function ruleText({ host, port }: Destination): string {
  if (port === undefined) return host;
  // An IPv6 address has no brackets where it is usually given.
  const bare = host.includes('/') || host.startsWith('[') ? host : bracketed(host);
  return `${bare}:${port}`;
}
