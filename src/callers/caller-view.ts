import type { AgentRecord } from '../agents/agent.ts';
import type { AgentId, AgentName, Named } from '../identity/agent-id.ts';
import { demand } from '../identity/permission.ts';
import type { Permission, Principal } from '../identity/principal.ts';
import type { Ownerships } from './ownership.ts';

export type ViewServices = { ownerships: Ownerships };

/** What one caller sees and may do of some services, in the caller's names of agents. */
export abstract class CallerView<Services> {
  protected readonly services: Services & ViewServices;
  protected readonly principal: Principal;

  constructor(services: Services & ViewServices, principal: Principal) {
    this.services = services;
    this.principal = principal;
  }

  /** Throws `forbidden`. */
  protected demand(permission: Permission): void {
    demand(this.principal, permission);
  }

  /** Throws `agent_not_found` for a name that the caller may not use. */
  protected idOf(name: AgentName): AgentId {
    return this.services.ownerships.idOf(this.principal, name);
  }

  protected nameOf(agentId: AgentId): AgentName {
    return this.services.ownerships.nameFor(this.principal, agentId);
  }

  /** How results name the agent: without the owner if that is the caller. Throws like `idOf`. */
  protected ownName(name: AgentName): AgentName {
    return this.nameOf(this.idOf(name));
  }

  /** A record with the caller's name of its agent. */
  protected named<T extends { agentId: AgentId }>({ agentId, ...rest }: T): Named<T> {
    return { ...rest, agentName: this.nameOf(agentId) } as unknown as Named<T>;
  }

  /** Throws `forbidden`, or `agent_not_found` for an agent that the caller does not see. */
  protected recordOf(name: AgentName, permission: Permission): AgentRecord {
    this.demand(permission);
    return this.services.ownerships.find(this.principal, name);
  }

  /** Like `recordOf`, but undefined for an agent that does not exist yet. */
  protected recordIfAny(name: AgentName): AgentRecord | undefined {
    this.demand('read');
    return this.services.ownerships.findIfAny(this.principal, name);
  }
}
