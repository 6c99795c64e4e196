import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { BenchContext } from './bench-context.ts';
import { firstEventAt } from './first-event.ts';
import { type PlanCall, Product } from './product.ts';
import {
  AGENTS_A_WAVE,
  type FirstEvent,
  type PutToSleep,
  type Sleep,
  type Sleeper,
} from './sleep.ts';

const POLL_MS = 100;
const PATIENCE_MS = 60_000;
/** The pool says that a container is ready a moment after it has paused it. */
const SETTLE_MS = 300;

const SETTINGS: Record<Sleep, Record<string, string>> = {
  // Rarely enough for a wave to be over before the reaper comes again.
  paused: { PAUSE_TIMEOUT: '1', REAPER_SCHEDULE: '*/4 * * * * *' },
  pooled: { WARM_POOL_SIZE: String(AGENTS_A_WAVE) },
  stopped: {},
  new: {},
};

/** Agents of a server of their own, which sends them to sleep by itself. */
export async function productSleepers(
  kind: Sleep,
  context: BenchContext,
  docker: Docker,
): Promise<PutToSleep> {
  const product = await Product.start('docker', context, { settings: SETTINGS[kind] });
  const plan = await product.connect();
  const agents = new ProductAgents({ product, plan, docker, interrupted: context.interrupted });
  switch (kind) {
    case 'paused':
      return () => agents.paused();
    case 'pooled':
      return () => agents.fresh({ pool: AGENTS_A_WAVE });
    case 'stopped':
      return () => agents.stopped();
    case 'new':
      return () => agents.fresh({ pool: 0 });
    default:
      return kind satisfies never;
  }
}

class ProductAgents {
  readonly #product: Product;
  readonly #plan: PlanCall;
  readonly #docker: Docker;
  readonly #interrupted: AbortSignal;
  #known: string[] = [];
  #made = 0;

  constructor(parts: {
    product: Product;
    plan: PlanCall;
    docker: Docker;
    interrupted: AbortSignal;
  }) {
    this.#product = parts.product;
    this.#plan = parts.plan;
    this.#docker = parts.docker;
    this.#interrupted = parts.interrupted;
  }

  async paused(): Promise<Sleeper[]> {
    await this.#makeOnce();
    await this.#until((states) => states.every((state) => state === 'paused'));
    return this.#sleepers();
  }

  async stopped(): Promise<Sleeper[]> {
    await this.#makeOnce();
    await this.#product.call('cleanup_inactive_agents', {});
    await this.#until((states) => states.length === 0);
    return this.#sleepers();
  }

  /** Ids that no agent had before, with a pool of so many containers. */
  async fresh({ pool }: { pool: number }): Promise<Sleeper[]> {
    await this.#product.call('cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });
    await this.#until(
      (states) => states.length === pool && states.every((state) => state === 'paused'),
    );
    await sleep(SETTLE_MS);
    this.#known = Array.from({ length: AGENTS_A_WAVE }, () => `agent-${++this.#made}`);
    return this.#sleepers();
  }

  async #makeOnce(): Promise<void> {
    if (this.#known.length > 0) return;
    this.#known = Array.from({ length: AGENTS_A_WAVE }, () => `agent-${++this.#made}`);
    for (const sleeper of this.#sleepers()) await sleeper.turn();
  }

  async #turn(agentId: string): Promise<FirstEvent> {
    const startedAt = Date.now();
    const turnId = await this.#plan(agentId);
    const at = await firstEventAt(this.#product.server.url, turnId);
    return { milliseconds: at - startedAt };
  }

  #sleepers(): Sleeper[] {
    return this.#known.map((agentId) => ({ turn: () => this.#turn(agentId) }));
  }

  /** Waits for the states of all containers that run or are paused. */
  async #until(isSo: (states: string[]) => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      this.#interrupted.throwIfAborted();
      const states = (await this.#product.containers(this.#docker)).map(({ state }) => state);
      if (isSo(states)) return;
      if (Date.now() > deadline) throw new Error(`The agents do not sleep: ${states.join(', ')}`);
      await sleep(POLL_MS);
    }
  }
}
