import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { AgentEvents } from './agent-events.ts';
import { type DiskUsage, measureDisk } from './disk-usage.ts';

/** A measurement reads every directory of the agent. */
const MEASURE_EVERY_MS = 30_000;
const MEASURE_SECONDS = 60;
/** Share of the limit from which callers are warned. */
const WARN_SHARE = 0.8;
/** Minimum growth of a home, besides its doubling, before its checkpoints are packed again. */
const GROWTH_BYTES = 256 * 1024 * 1024;
/** Each turn leaves a ref and some objects. */
const TURNS_BETWEEN_TIDYING = 20;

type DiskWatchOptions = {
  runtime: ContainerRuntime;
  /** Returns false without an effect, as `tidy`. */
  packCheckpoints: (agentId: AgentId) => Promise<boolean>;
  tidy: (agentId: AgentId) => Promise<boolean>;
  /** Whether the workspace counts: a directory of the machine does not. */
  countsWorkspace: (agentId: AgentId) => boolean;
  events: AgentEvents;
  config: Pick<Config, 'CONTAINER_DISK_LIMIT'>;
  log: Logger;
  measureEveryMs?: number;
  growthBytes?: number;
  turnsBetweenTidying?: number;
};

type Measurement = {
  bytes: number;
  measuredAt: number;
  timer?: NodeJS.Timeout | undefined;
  /** Size of the home from which its checkpoints are packed. */
  packAt: number;
  /** Turns since the last tidy. */
  turns: number;
};

/**
 * Measures the files of agents after their turns. Engines cannot limit volumes, so a turn that exceeds the
 * limit is noticed after its end.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #measurements = new Map<AgentId, Measurement>();
  readonly #unsubscribe: () => void;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#unsubscribe = options.events.listen((event) => {
      if (event.type === 'agent_taken' && event.transition === 'remove')
        this.#forget(event.agentId);
    });
  }

  /** Undefined without a limit. */
  get limitBytes(): number | undefined {
    return this.#options.config.CONTAINER_DISK_LIMIT || undefined;
  }

  /** Size at the last measurement; 0 before the first. */
  bytesOf(agentId: AgentId): number {
    return this.#measurements.get(agentId)?.bytes ?? 0;
  }

  /** Measures an awake agent, unless this server has done so before. */
  async measureOnce(agentId: AgentId): Promise<void> {
    if (this.limitBytes === undefined) return;
    const measurement = this.#measurementOf(agentId);
    if (measurement.measuredAt === Number.NEGATIVE_INFINITY)
      await this.#measure(agentId, measurement);
  }

  /** Throws `workspace_full` at the limit. */
  assertRoom(agentId: AgentId): void {
    const { limitBytes: limit } = this;
    const bytes = this.bytesOf(agentId);
    if (limit === undefined || bytes < limit) return;
    throw new AppError('workspace_full', `${filled(agentId, bytes, limit)}.`, {
      data: { bytes, limit },
    });
  }

  /** A note for callers near the limit. */
  warning(agentId: AgentId): string | undefined {
    const { limitBytes: limit } = this;
    const bytes = this.bytesOf(agentId);
    if (limit === undefined || bytes < limit * WARN_SHARE) return undefined;
    return `${filled(agentId, bytes, limit)}; at the limit, turns that write are refused.`;
  }

  /** Schedules a measurement, at most one per interval. */
  turnEnded(agentId: AgentId): void {
    const { measureEveryMs = MEASURE_EVERY_MS } = this.#options;
    const measurement = this.#measurementOf(agentId);
    measurement.turns += 1;
    if (measurement.timer) return;
    const waitMs = Math.max(0, measurement.measuredAt + measureEveryMs - performance.now());
    measurement.timer = setTimeout(() => {
      measurement.timer = undefined;
      this.#measureAndPack(agentId, measurement).catch((error: unknown) =>
        this.#options.log.warn(
          { err: error, agentId },
          'The files of an agent could not be measured',
        ),
      );
    }, waitMs).unref();
  }

  record(agentId: AgentId, usage: DiskUsage): void {
    const measurement = this.#measurementOf(agentId);
    const counts = this.#options.countsWorkspace(agentId);
    measurement.bytes = usage.homeBytes + (counts ? usage.workspaceBytes : 0);
    measurement.measuredAt = performance.now();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    for (const { timer } of this.#measurements.values()) clearTimeout(timer);
  }

  #forget(agentId: AgentId): void {
    clearTimeout(this.#measurements.get(agentId)?.timer);
    this.#measurements.delete(agentId);
  }

  #measurementOf(agentId: AgentId): Measurement {
    const { growthBytes: packAt = GROWTH_BYTES } = this.#options;
    const measurement = this.#measurements.get(agentId) ?? {
      bytes: 0,
      measuredAt: -Infinity,
      packAt,
      turns: 0,
    };
    this.#measurements.set(agentId, measurement);
    return measurement;
  }

  async #measureAndPack(agentId: AgentId, measurement: Measurement): Promise<void> {
    const usage = await this.#measure(agentId, measurement);
    await this.#tidy(agentId, measurement);
    if (!usage || usage.homeBytes < measurement.packAt) return;
    if (!(await this.#options.packCheckpoints(agentId))) return;
    const { growthBytes = GROWTH_BYTES } = this.#options;
    const { homeBytes } = (await this.#measure(agentId, measurement)) ?? usage;
    measurement.packAt = homeBytes + Math.max(homeBytes, growthBytes);
  }

  async #tidy(agentId: AgentId, measurement: Measurement): Promise<void> {
    const { turnsBetweenTidying = TURNS_BETWEEN_TIDYING, tidy } = this.#options;
    if (measurement.turns >= turnsBetweenTidying && (await tidy(agentId))) measurement.turns = 0;
  }

  async #measure(agentId: AgentId, measurement: Measurement): Promise<DiskUsage | undefined> {
    const usage = await measureDisk(this.#options.runtime, agentId, MEASURE_SECONDS);
    // The agent may have been removed and created again.
    if (usage && this.#measurements.get(agentId) === measurement) this.record(agentId, usage);
    return usage;
  }
}

function filled(agentId: AgentId, bytes: number, limit: number): string {
  return `The files of agent ${agentId} have ${bytes} of ${limit} bytes (\`CONTAINER_DISK_LIMIT\`)`;
}
