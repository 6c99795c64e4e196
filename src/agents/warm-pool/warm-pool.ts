import { randomBytes } from 'node:crypto';
import pTimeout from 'p-timeout';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime, ContainerSummary } from '../../runtime/container-runtime.ts';
import { newAgent } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import { ContainerLink } from '../links/container-link.ts';
import { newGatewayToken } from '../links/gateway-token.ts';
import type { WarmContainer, WarmContainerStore } from './warm-container-store.ts';

const CLOSE_LIMIT_MS = 3000;
/** The agent that has claimed a container needs the CPU for its first turn. */
const REFILL_DELAY_MS = 2000;

type WarmPoolOptions = {
  /** Knows containers by the ids. */
  runtime: ContainerRuntime;
  store: { agents: AgentStore; warmContainers: WarmContainerStore };
  config: Pick<Config, 'WARM_POOL_SIZE' | 'CONTAINER_STARTUP_TIMEOUT' | 'CODEX_ANSWER_TIMEOUT'>;
  version: string;
  log: Logger;
};

/** False for a container that an earlier server did not complete, or that was changed from outside. */
export function isClaimable(
  { ready }: WarmContainer,
  container: ContainerSummary | undefined,
): boolean {
  return ready && container?.state === 'paused' && !container.outdated;
}

/** Containers that are started, connected and paused in advance. */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  /** Open connections by container id; they survive a pause. */
  readonly #links = new Map<AgentId, ContainerLink>();
  #filling: Promise<void> | undefined;
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /**
   * Assigns a container and its token to an agent that never had one. Returns the open connections;
   * undefined without a container or connections.
   */
  claim(agentId: AgentId): ContainerLink | undefined {
    const { agents, warmContainers } = this.#options.store;
    const agent = agents.get(agentId) ?? newAgent(agentId);
    // A warm container has a workspace volume.
    if (agent.tokenSha256 !== '' || agent.workspacePath !== undefined) return undefined;
    // The claim is stored first, so that the next server finds it after a crash.
    const container = warmContainers.of(agentId) ?? warmContainers.claim(agentId);
    if (!container) return undefined;
    agents.put({ ...agent, tokenSha256: container.tokenSha256 });
    this.#refillLater();
    return this.#takeLink(container.id);
  }

  /** Fills the pool in the background, one container after another. */
  refill(): void {
    if (this.#closed) return;
    this.#filling ??= this.#fill()
      .catch((error) => this.#options.log.warn({ err: error }, 'The warm pool could not be filled'))
      .finally(() => {
        this.#filling = undefined;
      });
  }

  async close({ keep }: { keep: boolean }): Promise<void> {
    this.#closed = true;
    // With a limit, since the refill may wait for the build of an image.
    const filling = this.#filling ?? Promise.resolve();
    await pTimeout(filling, { milliseconds: CLOSE_LIMIT_MS, message: false });
    await Promise.all([...this.#links.keys()].map((id) => this.#takeLink(id)?.close()));
    if (!keep) await Promise.all(this.#unclaimed().map((container) => this.#discard(container)));
  }

  async #fill(): Promise<void> {
    for (const container of this.#unclaimed()) {
      if (!(await this.#isGood(container))) await this.#discard(container);
      else if (!this.#links.has(container.id)) await this.#reconnect(container);
    }
    const { config } = this.#options;
    while (!this.#closed && this.#unclaimed().length < config.WARM_POOL_SIZE) await this.#add();
    for (const container of this.#unclaimed().slice(config.WARM_POOL_SIZE))
      await this.#discard(container);
  }

  #refillLater(): void {
    setTimeout(() => this.refill(), REFILL_DELAY_MS).unref();
  }

  #unclaimed(): WarmContainer[] {
    return this.#options.store.warmContainers.list().filter(({ agentId }) => agentId === undefined);
  }

  async #isGood(container: WarmContainer): Promise<boolean> {
    return isClaimable(container, await this.#options.runtime.inspect(container.id));
  }

  async #discard({ id }: WarmContainer): Promise<void> {
    const { runtime, store } = this.#options;
    // An agent may have claimed it meanwhile.
    if (!this.#unclaimed().some((container) => container.id === id)) return;
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
    log.debug({ container: id }, 'A container is ready for a new agent');
  }

  /** Reconnects to a container of an earlier server. */
  async #reconnect({ id }: WarmContainer): Promise<void> {
    const { store } = this.#options;
    // An agent may have claimed it meanwhile.
    if (!this.#unclaimed().some((container) => container.id === id)) return;
    store.warmContainers.setReady(id, false);
    await this.#makeReady(id);
  }

  async #makeReady(id: AgentId): Promise<void> {
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

  #takeLink(id: AgentId): ContainerLink | undefined {
    const link = this.#links.get(id);
    this.#links.delete(id);
    return link;
  }

  async #dropLink(id: AgentId, link: ContainerLink): Promise<void> {
    if (this.#links.get(id) !== link) return;
    this.#links.delete(id);
    await link.close();
  }
}
