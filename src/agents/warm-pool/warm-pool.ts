import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ContainerRuntime, ContainerSummary } from '../../runtime/container-runtime.ts';
import { newAgent } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import { ContainerLink } from '../links/container-link.ts';
import { newGatewayToken } from '../links/gateway-token.ts';
import type { WarmContainer, WarmContainerStore } from './warm-container-store.ts';

const CLOSE_LIMIT_MS = 3000;
/** Making a container takes the CPU that the agent which has just come needs for its first turn. */
const REFILL_DELAY_MS = 2000;

type WarmPoolOptions = {
  /** Knows containers by the ids of their warmContainers. */
  runtime: ContainerRuntime;
  store: { agents: AgentStore; warmContainers: WarmContainerStore };
  config: Pick<Config, 'WARM_POOL_SIZE' | 'CONTAINER_STARTUP_TIMEOUT' | 'CODEX_ANSWER_TIMEOUT'>;
  version: string;
  log: Logger;
};

/** What an earlier server left half made, or somebody touched by hand, is of no use. */
export function isClaimable(
  { ready }: WarmContainer,
  container: ContainerSummary | undefined,
): boolean {
  return ready && container?.state === 'paused' && !container.outdated;
}

/** Containers that were started, connected to and paused before anybody needs them. */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  /** The open connections to them, by slot; they outlast a pause. */
  readonly #links = new Map<string, ContainerLink>();
  #filling: Promise<void> | undefined;
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /**
   * Gives an agent that never had a container one of the pool, if there is one, and its token.
   * Answers the connections to it, if they are open.
   */
  claim(agentId: string): ContainerLink | undefined {
    const { agents, warmContainers } = this.#options.store;
    const agent = agents.get(agentId) ?? newAgent(agentId);
    // A slot has a workspace of its own.
    if (agent.tokenSha256 !== '' || agent.workspacePath !== undefined) return undefined;
    // The claim is durable before anything else: a server that dies here finds it again.
    const slot = warmContainers.of(agentId) ?? warmContainers.claim(agentId);
    if (!slot) return undefined;
    agents.put({ ...agent, tokenSha256: slot.tokenSha256 });
    this.#refillLater();
    return this.#takeLink(slot.id);
  }

  /** Brings the pool to its size in the background, one container after another. */
  refill(): void {
    if (this.#closed) return;
    this.#filling ??= this.#fill()
      .catch((error) => this.#options.log.warn({ err: error }, 'The warm pool could not be filled'))
      .finally(() => {
        this.#filling = undefined;
      });
  }

  /** The containers stay for the next server, unless nothing shall. */
  async close({ keep }: { keep: boolean }): Promise<void> {
    this.#closed = true;
    // Not for the build of an image, which may be what it waits for.
    await Promise.race([this.#filling, sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]);
    await Promise.all([...this.#links.keys()].map((id) => this.#takeLink(id)?.close()));
    if (!keep) await Promise.all(this.#unclaimed().map((slot) => this.#discard(slot)));
  }

  async #fill(): Promise<void> {
    for (const slot of this.#unclaimed()) {
      if (!(await this.#isGood(slot))) await this.#discard(slot);
      else if (!this.#links.has(slot.id)) await this.#openAgain(slot);
    }
    const { config } = this.#options;
    while (!this.#closed && this.#unclaimed().length < config.WARM_POOL_SIZE) await this.#add();
    for (const slot of this.#unclaimed().slice(config.WARM_POOL_SIZE)) await this.#discard(slot);
  }

  #refillLater(): void {
    setTimeout(() => this.refill(), REFILL_DELAY_MS).unref();
  }

  #unclaimed(): WarmContainer[] {
    return this.#options.store.warmContainers.list().filter(({ agentId }) => agentId === undefined);
  }

  async #isGood(slot: WarmContainer): Promise<boolean> {
    return isClaimable(slot, await this.#options.runtime.inspect(slot.id));
  }

  async #discard({ id }: WarmContainer): Promise<void> {
    const { runtime, store } = this.#options;
    // It may have been claimed while others were looked at.
    if (!this.#unclaimed().some((slot) => slot.id === id)) return;
    store.warmContainers.setReady(id, false);
    await this.#takeLink(id)?.close();
    await runtime.remove(id, { volumes: true });
    store.warmContainers.remove(id);
  }

  async #add(): Promise<void> {
    const { runtime, store, log } = this.#options;
    const id = `slot-${randomBytes(8).toString('hex')}`;
    const { tokenSha256, env } = newGatewayToken();
    await runtime.prepare((line) => log.info({ line }, 'Preparing the runtime'));
    store.warmContainers.add({ id, tokenSha256 });
    await runtime.create({ agentId: id, env });
    await this.#makeReady(id);
    log.debug({ id }, 'A container is ready for a new agent');
  }

  /** An earlier server made it ready, and its connections ended with that one. */
  async #openAgain({ id }: WarmContainer): Promise<void> {
    const { store } = this.#options;
    // It may have been claimed while others were looked at.
    if (!this.#unclaimed().some((slot) => slot.id === id)) return;
    store.warmContainers.setReady(id, false);
    await this.#makeReady(id);
  }

  async #makeReady(id: string): Promise<void> {
    const { runtime, store, config, version, log } = this.#options;
    const startTimeoutMs = config.CONTAINER_STARTUP_TIMEOUT * 1000;
    const answerTimeoutMs = config.CODEX_ANSWER_TIMEOUT * 1000;
    await runtime.start(id);
    const options = { runtime, agentId: id, startTimeoutMs, answerTimeoutMs, version, log };
    const link = await ContainerLink.open(options);
    this.#links.set(id, link);
    void link.codex.closed.then(() => this.#dropLink(id, link));
    await runtime.pause(id);
    if (this.#closed) await link.close();
    store.warmContainers.setReady(id, true);
  }

  #takeLink(id: string): ContainerLink | undefined {
    const link = this.#links.get(id);
    this.#links.delete(id);
    return link;
  }

  /** Its container ended while it waited for an agent. */
  async #dropLink(id: string, link: ContainerLink): Promise<void> {
    if (this.#links.get(id) !== link) return;
    this.#links.delete(id);
    await link.close();
  }
}
