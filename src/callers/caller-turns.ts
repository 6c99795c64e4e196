import type { HostDirectories } from '../agents/host/host-directories.ts';
import { demand } from '../identity/permission.ts';
import { may, type Permission, type Principal } from '../identity/principal.ts';
import type { TurnRecord, TurnRequest } from '../turns/turn.ts';
import { noTurn } from '../turns/turn-register.ts';
import type { TurnService, Waiter } from '../turns/turn-service.ts';
import type { JournaledEvent, TurnQuery } from '../turns/turn-store.ts';
import type { Ownerships } from './ownership.ts';

type Options = {
  turns: TurnService;
  ownerships: Ownerships;
  directories: HostDirectories;
};

type CallerQuery = Omit<TurnQuery, 'agentIds' | 'owner' | 'tenant'> & {
  agent?: string | undefined;
};

/**
 * The turns of one caller: those of the agents that it sees, which it knows by its own names. Those
 * of others are `turn_not_found`.
 */
export class CallerTurns {
  readonly #turns: TurnService;
  readonly #ownerships: Ownerships;
  readonly #directories: HostDirectories;
  readonly #principal: Principal;

  constructor({ turns, ownerships, directories }: Options, principal: Principal) {
    this.#turns = turns;
    this.#ownerships = ownerships;
    this.#directories = directories;
    this.#principal = principal;
  }

  /** See `TurnService.submit`; `agentId` is what the caller calls the agent. Throws `forbidden` too. */
  submit(request: TurnRequest): TurnRecord {
    return this.#shown(this.#turns.submit(...this.#begin(request)));
  }

  /** See `TurnService.run`. */
  async run(request: TurnRequest, caller: Waiter): Promise<Record<string, unknown>> {
    const [own, agent] = this.#begin(request);
    const result = await this.#turns.run(own, agent, caller);
    return this.#shownResult(result);
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnRecord {
    return this.#shown(this.#find(turnId, 'read'));
  }

  /** See `TurnService.wait`. */
  async wait(turnId: string, waiter: Waiter): Promise<TurnRecord> {
    this.#find(turnId, 'read');
    return this.#shown(await this.#turns.wait(turnId, waiter));
  }

  latestProgress(turnId: string): { message: string; at: Date } | undefined {
    this.#find(turnId, 'read');
    return this.#turns.latestProgress(turnId);
  }

  /** The newest first. Throws `agent_not_found` for the name of an agent that is not there. */
  list({ agent, ...query }: CallerQuery): TurnRecord[] {
    demand(this.#principal, 'read');
    const agentIds = agent === undefined ? this.#allowedIds() : [this.#agentId(agent)];
    return this.#turns
      .list({ ...query, ...(agentIds && { agentIds }), ...this.#scope() })
      .map((record) => this.#shown(record));
  }

  async cancel(turnId: string): Promise<TurnRecord> {
    this.#find(turnId, 'work');
    return this.#shown(await this.#turns.cancel(turnId));
  }

  async steer(turnId: string, message: string): Promise<TurnRecord> {
    this.#find(turnId, 'work');
    return this.#shown(await this.#turns.steer(turnId, message));
  }

  follow(
    turnId: string,
    options: { after: number; signal: AbortSignal },
  ): AsyncIterable<JournaledEvent> {
    this.#find(turnId, 'read');
    return this.#turns.follow(turnId, options);
  }

  #begin(request: TurnRequest) {
    demand(this.#principal, 'work');
    const agent = this.#ownerships.begin(this.#principal, request.agentId);
    const { path } = request.source ?? {};
    if (path !== undefined) this.#directories.admit(this.#principal, agent, path);
    const { id: principal, tenant } = this.#principal;
    return [{ ...request, agentId: agent.agentId, principal, tenant }, agent] as const;
  }

  #find(turnId: string, permission: Permission): TurnRecord {
    demand(this.#principal, permission);
    const record = this.#turns.get(turnId);
    if (this.#ownerships.seesId(this.#principal, record.agentId)) return record;
    throw noTurn(turnId);
  }

  #agentId(name: string): string {
    return this.#ownerships.idOf(this.#principal, name);
  }

  /** Of the only agents that the caller may use, if there are such. */
  #allowedIds(): string[] | undefined {
    return this.#principal.agents?.map((name) => this.#agentId(name));
  }

  #scope(): Pick<TurnQuery, 'owner' | 'tenant'> {
    const { id: owner, tenant } = this.#principal;
    return may(this.#principal, 'administer') ? { tenant } : { owner };
  }

  #shown(record: TurnRecord): TurnRecord {
    const agentId = this.#ownerships.nameFor(this.#principal, record.agentId);
    const { result } = record;
    return { ...record, agentId, ...(result && { result: this.#shownResult(result) }) };
  }

  #shownResult(result: Record<string, unknown>): Record<string, unknown> {
    const { candidates } = result;
    if (!Array.isArray(candidates)) return this.#named(result);
    return { ...this.#named(result), candidates: candidates.map((each) => this.#named(each)) };
  }

  #named(result: Record<string, unknown>): Record<string, unknown> {
    const { agent_id: agentId } = result;
    if (typeof agentId !== 'string') return result;
    return { ...result, agent_id: this.#ownerships.nameFor(this.#principal, agentId) };
  }
}
