import { LRUCache } from 'lru-cache';
import { type AgentRecord, agentIdOf, newAgent, type Ownership } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { AppError } from '../errors.ts';
import { type AgentId, type AgentName, ownNameSchema } from '../identity/agent-id.ts';
import { may, type Principal } from '../identity/principal.ts';

/** Between the name of an agent and its owner, in the names that other principals use. */
export const OF = '@';
/** Events may name an agent that was removed a moment ago. */
const REMEMBERED = 10_000;

/** Whether approvers see the agents of others in their tenant. */
type View = { asApprover?: boolean };

/**
 * The owner of each agent. Every principal names its own agents, so two principals can use one name
 * for two agents. An administrator names an agent of another principal as `name@owner`.
 */
export class Ownerships {
  readonly #agents: AgentStore;
  readonly #known = new LRUCache<AgentId, Ownership>({ max: REMEMBERED });

  constructor(agents: AgentStore) {
    this.#agents = agents;
  }

  /** The id of the agent that a principal names, whether it exists or not. Throws `agent_not_found`. */
  idOf(principal: Principal, named: AgentName, view: View = {}): AgentId {
    return agentIdOf(this.#resolve(principal, named, view));
  }

  /** The owner that a name implies, whether the agent exists or not. Throws `agent_not_found` for a name that the principal may not use. */
  #resolve(principal: Principal, named: AgentName, view: View = {}): Ownership {
    const [name = '', ...rest] = named.split(OF);
    const owner = rest.length > 0 ? rest.join(OF) : principal.id;
    const { tenant } = principal;
    const isAllowed =
      owner === principal.id
        ? (principal.agents?.includes(name) ?? true)
        : seesOthers(principal, view);
    if (isAllowed && ownNameSchema.safeParse(name).success) return { name, owner, tenant };
    throw noAgent(named);
  }

  /** Throws `agent_not_found` for an agent that does not exist or that the principal does not see. */
  find(principal: Principal, named: AgentName, view: View = {}): AgentRecord {
    const record = this.findIfAny(principal, named, view);
    if (record) return record;
    throw noAgent(named);
  }

  /** Throws `agent_not_found` for a name that the principal may not use. */
  findIfAny(principal: Principal, named: AgentName, view: View = {}): AgentRecord | undefined {
    const record = this.#agents.get(this.idOf(principal, named, view));
    return record && this.sees(principal, record, view) ? record : undefined;
  }

  /** The record of an agent, a new one if it does not exist. Throws `agent_not_found` where the agent would belong to somebody else. */
  findOrNew(principal: Principal, named: AgentName): AgentRecord {
    const ownership = this.#resolve(principal, named);
    const agentId = agentIdOf(ownership);
    const record = this.#agents.get(agentId);
    if (record ? this.sees(principal, record) : ownership.owner === principal.id) {
      return record ?? newAgent(agentId, ownership);
    }
    throw noAgent(named);
  }

  /** The agents that a principal sees, the last used first. */
  list(principal: Principal): AgentRecord[] {
    return this.#agents.list().filter((record) => this.sees(principal, record));
  }

  sees(principal: Principal, { owner, tenant, name }: Ownership, view: View = {}): boolean {
    if (!may(principal, 'read')) return false;
    if (owner === principal.id) return principal.agents?.includes(name) ?? true;
    return seesOthers(principal, view) && tenant === principal.tenant;
  }

  /** Also for an agent that was removed a moment ago. */
  seesId(principal: Principal, agentId: AgentId, view: View = {}): boolean {
    const ownership = this.#ofId(agentId);
    return ownership !== undefined && this.sees(principal, ownership, view);
  }

  /** The name that a principal uses for an agent that it sees. */
  nameFor(principal: Principal, agentId: AgentId): AgentName {
    const ownership = this.#ofId(agentId);
    // Nobody knows the name of an agent that was removed long ago.
    return ownership ? this.nameOf(principal, ownership) : `${agentId}`;
  }

  /** The same for an agent that may be removed long ago. */
  nameOf(principal: Principal, { name, owner }: Pick<Ownership, 'name' | 'owner'>): AgentName {
    return owner === principal.id ? name : `${name}${OF}${owner}`;
  }

  #ofId(agentId: AgentId): Ownership | undefined {
    const record = this.#agents.get(agentId);
    if (!record) return this.#known.get(agentId);
    this.#known.set(agentId, record);
    return record;
  }
}

function seesOthers(principal: Principal, { asApprover = false }: View): boolean {
  return may(principal, 'administer') || (asApprover && may(principal, 'approve'));
}

function noAgent(named: AgentName): AppError {
  return new AppError('agent_not_found', `There is no agent "${named}".`);
}
