import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { AgentId, AgentName, Named } from '../identity/agent-id.ts';
import { may, type Permission } from '../identity/principal.ts';
import type { TurnRecord, TurnRequest } from '../turns/turn.ts';
import { noTurn } from '../turns/turn-register.ts';
import type { TurnService, Waiter } from '../turns/turn-service.ts';
import type { JournaledEvent, TurnQuery, TurnStore } from '../turns/turn-store.ts';
import type { ApprovalView } from './caller-approvals.ts';
import { CallerView } from './caller-view.ts';

export type TurnServices = {
  store: { turns: TurnStore };
  turns: TurnService;
  directories: HostDirectories;
};

type CallerQuery = Omit<TurnQuery, 'agentIds' | 'owner' | 'tenant'> & {
  agent?: AgentName | undefined;
};

/** A turn as its caller sees it. */
export type TurnView = Named<TurnRecord>;

/** The work that a caller asks for. */
export type CallerRequest = Omit<TurnRequest, 'agentId' | 'principal' | 'tenant' | 'trial'> & {
  agentName: AgentName;
};

/** A call that waits for a turn. */
export type CallerWaiter = Omit<Waiter, 'onApproval'> & {
  onApproval?(approval: ApprovalView): void;
};

/** The turns of the agents that one caller sees. The turns of others are `turn_not_found`. */
export class CallerTurns extends CallerView<TurnServices> {
  /** See `TurnService.submit`. Throws `forbidden` too. */
  submit(request: CallerRequest): TurnView {
    return this.#shown(this.services.turns.submit(...this.#begin(request)));
  }

  /** See `TurnService.run`. */
  async run(request: CallerRequest, caller: CallerWaiter): Promise<Record<string, unknown>> {
    const [own, agent] = this.#begin(request);
    const result = await this.services.turns.run(own, agent, this.#waiter(caller));
    return this.#shownResult(result);
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnView {
    return this.#shown(this.#find(turnId, 'read'));
  }

  /** See `TurnService.wait`. */
  async wait(turnId: string, waiter: CallerWaiter): Promise<TurnView> {
    this.#find(turnId, 'read');
    return this.#shown(await this.services.turns.wait(turnId, this.#waiter(waiter)));
  }

  latestProgress(turnId: string): { message: string; at: Date } | undefined {
    this.#find(turnId, 'read');
    return this.services.turns.latestProgress(turnId);
  }

  /** The newest first. Throws `agent_not_found` for a name that the caller may not use. */
  list({ agent, ...query }: CallerQuery): TurnView[] {
    this.demand('read');
    const agentIds = agent === undefined ? this.#allowedIds() : [this.idOf(agent)];
    return this.services.turns
      .list({ ...query, ...(agentIds && { agentIds }), ...this.#scope() })
      .map((record) => this.#shown(record));
  }

  /** How many turns of an agent are kept. Throws like `list`. */
  count(agent: AgentName): number {
    const record = this.recordIfAny(agent);
    return record ? this.services.store.turns.count(record.agentId) : 0;
  }

  /** The turn of an agent that runs, or else waits longest. Throws like `list`. */
  current(agent: AgentName): TurnView | undefined {
    const record = this.recordIfAny(agent);
    const unfinished = record ? this.services.store.turns.unfinished() : [];
    const turn = unfinished.find(({ agentId }) => agentId === record?.agentId);
    return turn && this.#shown(turn);
  }

  async cancel(turnId: string): Promise<TurnView> {
    this.#find(turnId, 'work');
    return this.#shown(await this.services.turns.cancel(turnId));
  }

  async steer(turnId: string, message: string): Promise<TurnView> {
    this.#find(turnId, 'work');
    return this.#shown(await this.services.turns.steer(turnId, message));
  }

  follow(
    turnId: string,
    options: { after: number; signal: AbortSignal },
  ): AsyncIterable<JournaledEvent> {
    this.#find(turnId, 'read');
    return this.services.turns.follow(turnId, options);
  }

  #begin({ agentName, ...request }: CallerRequest) {
    this.demand('work');
    const agent = this.services.ownerships.findOrNew(this.principal, agentName);
    const { path } = request.source ?? {};
    if (path !== undefined) this.services.directories.admit(this.principal, agent, path);
    const { id: principal, tenant } = this.principal;
    return [{ ...request, agentId: agent.agentId, principal, tenant }, agent] as const;
  }

  #find(turnId: string, permission: Permission): TurnRecord {
    this.demand(permission);
    const record = this.services.turns.get(turnId);
    if (this.services.ownerships.seesId(this.principal, record.agentId)) return record;
    throw noTurn(turnId);
  }

  /** Undefined unless the caller may use certain agents only. */
  #allowedIds(): AgentId[] | undefined {
    return this.principal.agents?.map((name) => this.idOf(name));
  }

  #scope(): Pick<TurnQuery, 'owner' | 'tenant'> {
    const { id: owner, tenant } = this.principal;
    return may(this.principal, 'administer') ? { tenant } : { owner };
  }

  #waiter({ onApproval, ...waiter }: CallerWaiter): Waiter {
    return { ...waiter, onApproval: (approval) => onApproval?.(this.named(approval)) };
  }

  #shown({ result, ...record }: TurnRecord): TurnView {
    return { ...this.named(record), ...(result && { result: this.#shownResult(result) }) };
  }

  #shownResult(result: Record<string, unknown>): Record<string, unknown> {
    const { candidates } = result;
    if (!Array.isArray(candidates)) return this.#namedResult(result);
    const named = candidates.map((each) => this.#namedResult(each));
    return { ...this.#namedResult(result), candidates: named };
  }

  #namedResult(result: Record<string, unknown>): Record<string, unknown> {
    const { agent_id: agentId } = result;
    if (typeof agentId !== 'string') return result;
    return { ...result, agent_id: this.nameOf(agentId) };
  }
}
