import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { AgentEvents } from './agent-events.ts';
import { type DiskUsage, measureDisk } from './disk-usage.ts';

/** Measuring reads every directory of the agent. */
const MEASURE_EVERY_MS = 30_000;
const MEASURE_SECONDS = 60;
/** The share of its limit at which callers are warned, while the agent can still make room. */
const WARN_SHARE = 0.8;
/** By how much, and by what share, a home must have grown before its snapshots are packed again. */
const GROWTH_BYTES = 256 * 1024 * 1024;
/** Each leaves a ref and some objects. */
const TURNS_BETWEEN_TIDYING = 20;

type DiskWatchOptions = {
  runtime: ContainerRuntime;
  /** Makes the snapshots of an agent small; answers whether it did. */
  packCheckpoints: (agentId: string) => Promise<boolean>;
  /** Packs its repositories, and forgets refs of old turns; answers whether it did. */
  tidy: (agentId: string) => Promise<boolean>;
  /** Whether the workspace of an agent is its own; a directory of a person counts for nothing. */
  countsWorkspace: (agentId: string) => boolean;
  events: AgentEvents;
  config: Pick<Config, 'CONTAINER_DISK_LIMIT'>;
  log: Logger;
  measureEveryMs?: number;
  growthBytes?: number;
  turnsBetweenTidying?: number;
};

type Known = {
  bytes: number;
  measuredAt: number;
  timer?: NodeJS.Timeout | undefined;
  /** Size of the home at which its snapshots are packed. */
  packAt: number;
  /** Since it was tidied. */
  turns: number;
};

/**
 * Knows what the files of agents take, by measuring them after turns that may have written. Engines
 * bound the size of no volume: what an agent writes in one turn is seen only when that has ended.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #known = new Map<string, Known>();
  readonly #ignore: () => void;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#ignore = options.events.listen((event) => {
      if (event.type === 'agent_taken' && event.transition === 'remove')
        this.#forget(event.agentId);
    });
  }

  /** Undefined if nothing bounds it. */
  get limitBytes(): number | undefined {
    return this.#options.config.CONTAINER_DISK_LIMIT || undefined;
  }

  /** What the files of an agent took when they were measured last; 0 if they never were. */
  bytesOf(agentId: string): number {
    return this.#known.get(agentId)?.bytes ?? 0;
  }

  /** Measures the files of an agent that is awake, if this server never did. */
  async know(agentId: string): Promise<void> {
    if (this.limitBytes === undefined) return;
    const known = this.#knownOf(agentId);
    if (known.measuredAt === Number.NEGATIVE_INFINITY) await this.#measure(agentId, known);
  }

  /** Throws `workspace_full` if the agent has no room to write. */
  assertRoom(agentId: string): void {
    const { limitBytes: limit } = this;
    const bytes = this.bytesOf(agentId);
    if (limit === undefined || bytes < limit) return;
    throw new AppError('workspace_full', `${filled(agentId, bytes, limit)}.`, {
      data: { bytes, limit },
    });
  }

  /** What to tell callers of an agent that has little room left. */
  warning(agentId: string): string | undefined {
    const { limitBytes: limit } = this;
    const bytes = this.bytesOf(agentId);
    if (limit === undefined || bytes < limit * WARN_SHARE) return undefined;
    return `${filled(agentId, bytes, limit)}; beyond that, turns that write are refused.`;
  }

  /** Measures in the background: now, or a while after the last time. */
  turnEnded(agentId: string): void {
    const { measureEveryMs = MEASURE_EVERY_MS } = this.#options;
    const known = this.#knownOf(agentId);
    known.turns += 1;
    if (known.timer) return;
    const waitMs = Math.max(0, known.measuredAt + measureEveryMs - performance.now());
    known.timer = setTimeout(() => {
      known.timer = undefined;
      this.#look(agentId, known).catch((error: unknown) =>
        this.#options.log.warn({ err: error, agentId }, 'The files of the agent were not measured'),
      );
    }, waitMs).unref();
  }

  /** Takes what somebody else measured. */
  note(agentId: string, usage: DiskUsage): void {
    const known = this.#knownOf(agentId);
    const counts = this.#options.countsWorkspace(agentId);
    known.bytes = usage.homeBytes + (counts ? usage.workspaceBytes : 0);
    known.measuredAt = performance.now();
  }

  [Symbol.dispose](): void {
    this.#ignore();
    for (const { timer } of this.#known.values()) clearTimeout(timer);
  }

  #forget(agentId: string): void {
    clearTimeout(this.#known.get(agentId)?.timer);
    this.#known.delete(agentId);
  }

  #knownOf(agentId: string): Known {
    const { growthBytes: packAt = GROWTH_BYTES } = this.#options;
    const known = this.#known.get(agentId) ?? { bytes: 0, measuredAt: -Infinity, packAt, turns: 0 };
    this.#known.set(agentId, known);
    return known;
  }

  async #look(agentId: string, known: Known): Promise<void> {
    const usage = await this.#measure(agentId, known);
    await this.#tidy(agentId, known);
    if (!usage || usage.homeBytes < known.packAt) return;
    if (!(await this.#options.packCheckpoints(agentId))) return;
    const { growthBytes = GROWTH_BYTES } = this.#options;
    const { homeBytes } = (await this.#measure(agentId, known)) ?? usage;
    known.packAt = homeBytes + Math.max(homeBytes, growthBytes);
  }

  async #tidy(agentId: string, known: Known): Promise<void> {
    const { turnsBetweenTidying = TURNS_BETWEEN_TIDYING, tidy } = this.#options;
    if (known.turns >= turnsBetweenTidying && (await tidy(agentId))) known.turns = 0;
  }

  async #measure(agentId: string, known: Known): Promise<DiskUsage | undefined> {
    const usage = await measureDisk(this.#options.runtime, agentId, MEASURE_SECONDS);
    // It may have been removed meanwhile, and made anew.
    if (usage && this.#known.get(agentId) === known) this.note(agentId, usage);
    return usage;
  }
}

function filled(agentId: string, bytes: number, limit: number): string {
  return `The files of agent ${agentId} have ${bytes} of the ${limit} bytes that they may have`;
}
