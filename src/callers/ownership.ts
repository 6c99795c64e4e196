import { LRUCache } from 'lru-cache';
import { type AgentRecord, agentIdOf, newAgent, type Ownership } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { AppError } from '../errors.ts';
import { agentIdSchema } from '../identity/agent-id.ts';
import { may, type Principal } from '../identity/principal.ts';

/** Between the name of an agent and its owner, where somebody else than the owner speaks of it. */
const OF = '@';
/** Agents that were removed are still spoken of for a while. */
const REMEMBERED = 10_000;

/** Whether those who approve what others ask for see it, too. */
type View = { asApprover?: boolean };

/**
 * Whose each agent is. Every principal has names of its own for its agents, so that nobody meets, or
 * can tell, what others call theirs; an administrator names those of others as `name@owner`.
 */
export class Ownerships {
  readonly #agents: AgentStore;
  readonly #known = new LRUCache<string, Ownership>({ max: REMEMBERED });

  constructor(agents: AgentStore) {
    this.#agents = agents;
  }

  /** What the server calls the agent that a principal means, whether it exists or not. Throws `agent_not_found`. */
  idOf(principal: Principal, named: string, view: View = {}): string {
    return agentIdOf(this.meant(principal, named, view));
  }

  /** Whose it is, or would be. Throws `agent_not_found` if the principal may not even name it. */
  meant(principal: Principal, named: string, view: View = {}): Ownership {
    const [name = '', ...rest] = named.split(OF);
    const owner = rest.length > 0 ? rest.join(OF) : principal.id;
    const { tenant } = principal;
    const isAllowed =
      owner === principal.id
        ? (principal.agents?.includes(name) ?? true)
        : seesOthers(principal, view);
    if (isAllowed && agentIdSchema.safeParse(name).success) return { name, owner, tenant };
    throw noAgent(named);
  }

  /** The record of the agent that a principal means. Throws `agent_not_found` also if it is not for it. */
  find(principal: Principal, named: string, view: View = {}): AgentRecord {
    const record = this.#agents.get(this.idOf(principal, named, view));
    if (record && this.sees(principal, record, view)) return record;
    throw noAgent(named);
  }

  /** The record of a new agent. Throws `agent_not_found` if its id is another's: administrators make none for others. */
  begin(principal: Principal, named: string): AgentRecord {
    const meant = this.meant(principal, named);
    const agentId = agentIdOf(meant);
    const record = this.#agents.get(agentId);
    if (record ? this.sees(principal, record) : meant.owner === principal.id) {
      return record ?? newAgent(agentId, meant);
    }
    throw noAgent(named);
  }

  /** Whether an agent is there for a principal. */
  sees(principal: Principal, { owner, tenant, name }: Ownership, view: View = {}): boolean {
    if (owner === principal.id) return principal.agents?.includes(name) ?? true;
    return seesOthers(principal, view) && tenant === principal.tenant;
  }

  /** The same by the id of an agent, which may have been removed a moment ago. */
  seesId(principal: Principal, agentId: string, view: View = {}): boolean {
    const ownership = this.ofId(agentId);
    return ownership !== undefined && this.sees(principal, ownership, view);
  }

  /** What a principal calls an agent that it sees. */
  nameFor(principal: Principal, agentId: string): string {
    const ownership = this.ofId(agentId);
    if (!ownership) return agentId;
    const { name, owner } = ownership;
    return owner === principal.id ? name : `${name}${OF}${owner}`;
  }

  ofId(agentId: string): Ownership | undefined {
    const record = this.#agents.get(agentId);
    if (!record) return this.#known.get(agentId);
    this.#known.set(agentId, record);
    return record;
  }
}

function seesOthers(principal: Principal, { asApprover = false }: View): boolean {
  return may(principal, 'administer') || (asApprover && may(principal, 'approve'));
}

function noAgent(named: string): AppError {
  return new AppError('agent_not_found', `There is no agent "${named}".`);
}
