import { createHash, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { AppError } from '../errors.ts';
import { MeteringPeriod, type RecordUsage } from './metering.ts';
import { BodyBudget } from './request-body.ts';
import type { Spent } from './spending/spending-store.ts';

/** Says when an agent has had enough of the model. */
export type GatewayBudget = {
  record(agentId: string, ...answer: Parameters<RecordUsage>): Spent;
  refusal(agentId: string, turn: Spent): AppError | undefined;
};

/** What the gateway knows of one agent. */
export class GatewayAgent {
  readonly id: string;
  readonly budget = new BodyBudget();
  period: MeteringPeriod;
  /** Answers of the model are kept back until it settles. It must have a handler for its rejection. */
  ready: Promise<void> = Promise.resolve();
  readonly #sockets = new Set<Duplex>();
  #tokenHash: Buffer | undefined;

  readonly #budget: GatewayBudget | undefined;

  constructor(id: string, budget?: GatewayBudget) {
    this.id = id;
    this.#budget = budget;
    this.period = this.startPeriod();
  }

  /** Counts anew. */
  startPeriod(): MeteringPeriod {
    const budget = this.#budget;
    this.period = new MeteringPeriod(
      budget && ((model, usage) => budget.record(this.id, model, usage)),
    );
    return this.period;
  }

  /** Why it may not ask the model now. */
  get refusal(): AppError | undefined {
    return this.#budget?.refusal(this.id, this.period.spent);
  }

  allow(tokenSha256Hex: string): void {
    this.#tokenHash = Buffer.from(tokenSha256Hex, 'hex');
  }

  /** Refuses the token from now on and cuts the connections that it opened. */
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
