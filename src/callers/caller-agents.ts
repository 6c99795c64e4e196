import type { AgentRecord } from '../agents/agent.ts';
import type { AgentEvent, AgentEvents } from '../agents/agent-events.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { ThreadRecord } from '../agents/threads/thread.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import { AppError } from '../errors.ts';
import { demand } from '../identity/permission.ts';
import { may, type Permission, type Principal } from '../identity/principal.ts';
import type { Ownerships } from './ownership.ts';

type Options = {
  store: { agents: AgentStore; threads: ThreadStore };
  events: AgentEvents;
  ownerships: Ownerships;
};

/** The agents of one caller. To everybody else's it is blind: they are `agent_not_found`. */
export class CallerAgents {
  readonly #store: { agents: AgentStore; threads: ThreadStore };
  readonly #events: AgentEvents;
  readonly #ownerships: Ownerships;
  readonly #principal: Principal;

  constructor({ store, events, ownerships }: Options, principal: Principal) {
    this.#store = store;
    this.#events = events;
    this.#ownerships = ownerships;
    this.#principal = principal;
  }

  /** Throws `forbidden`. */
  demand(permission: Permission): void {
    demand(this.#principal, permission);
  }

  /** The last used first. Throws `forbidden`. */
  list(): AgentRecord[] {
    this.demand('read');
    return this.#store.agents.list().filter((record) => this.sees(record));
  }

  /** Throws `agent_not_found` or `forbidden`. */
  get(name: string): AgentRecord {
    this.demand('read');
    return this.#ownerships.find(this.#principal, name);
  }

  /** The same, undefined if there is none yet. */
  find(name: string): AgentRecord | undefined {
    this.demand('read');
    const record = this.#store.agents.get(this.#ownerships.idOf(this.#principal, name));
    return record && this.sees(record) ? record : undefined;
  }

  /** An agent that the caller sees or decides about. Throws `agent_not_found` or `forbidden`. */
  getForApproval(name: string): AgentRecord {
    this.demand('read');
    return this.#ownerships.find(this.#principal, name, { asApprover: true });
  }

  /**
   * An agent about which the caller may decide: of others in its tenant, as nobody approves their
   * own; administrators decide about all. Throws `agent_not_found` or `forbidden`.
   */
  getToApprove(name: string): AgentRecord {
    this.demand('approve');
    const record = this.getForApproval(name);
    if (record.owner !== this.#principal.id || may(this.#principal, 'administer')) return record;
    throw new AppError('forbidden', 'Somebody else has to decide about your own agents.');
  }

  /** Whether an agent is there for the caller. */
  sees(record: AgentRecord): boolean {
    return this.#ownerships.sees(this.#principal, record);
  }

  /** What the caller calls it. */
  nameOf(agentId: string): string {
    return this.#ownerships.nameFor(this.#principal, agentId);
  }

  /** A conversation with its agent: the agent's own one, or one that a caller began. */
  findThread(threadId: string): { agent: AgentRecord; begun?: ThreadRecord } | undefined {
    this.demand('read');
    const begun = this.#store.threads.get(threadId);
    const agent = begun
      ? this.#store.agents.get(begun.agentId)
      : this.#store.agents.findByThread(threadId);
    if (!agent || !this.sees(agent)) return undefined;
    return { agent, ...(begun && { begun }) };
  }

  /** Hears what happens to the agents of the caller, with their names; call what is returned to stop. */
  listen(listener: (event: AgentEvent) => void): () => void {
    this.demand('read');
    return this.#events.listen((event) => {
      const asApprover = event.type === 'egress_denied';
      if (!this.#ownerships.seesId(this.#principal, event.agentId, { asApprover })) return;
      listener({ ...event, agentId: this.nameOf(event.agentId) });
    });
  }
}
