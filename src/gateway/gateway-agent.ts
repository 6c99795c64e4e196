import { createHash, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import { MeteringPeriod, type RecordUsage } from './metering.ts';
import { BodyBudget } from './request-body.ts';
import type { Spent } from './spending/spending-store.ts';

/** Records the usage of agents and refuses requests over budget. */
export type GatewayBudget = {
  record(agentId: AgentId, ...answer: Parameters<RecordUsage>): Spent;
  refusal(agentId: AgentId, turn: Spent): AppError | undefined;
};

/** The state of one agent in the gateway. */
export class GatewayAgent {
  readonly id: AgentId;
  readonly budget = new BodyBudget();
  period: MeteringPeriod;
  /** Holds answers of the model until it settles. Its rejection must be handled. */
  ready: Promise<void> = Promise.resolve();
  readonly #sockets = new Set<Duplex>();
  #tokenHash: Buffer | undefined;

  readonly #budget: GatewayBudget | undefined;

  constructor(id: AgentId, budget?: GatewayBudget) {
    this.id = id;
    this.#budget = budget;
    this.period = this.startPeriod();
  }

  startPeriod(): MeteringPeriod {
    const budget = this.#budget;
    this.period = new MeteringPeriod(
      budget && ((model, usage) => budget.record(this.id, model, usage)),
    );
    return this.period;
  }

  /** Why model requests are refused now. */
  get refusal(): AppError | undefined {
    return this.#budget?.refusal(this.id, this.period.spent);
  }

  allow(tokenSha256Hex: string): void {
    this.#tokenHash = Buffer.from(tokenSha256Hex, 'hex');
  }

  /** Revokes the token and cuts the connections of the agent. */
  revoke(): void {
    this.#tokenHash = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Whether an Authorization header carries the token of this agent. */
  accepts(authorization: string | undefined): boolean {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined || this.#tokenHash === undefined) return false;
    const hash = createHash('sha256').update(token).digest();
    return hash.length === this.#tokenHash.length && timingSafeEqual(hash, this.#tokenHash);
  }

  add(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
