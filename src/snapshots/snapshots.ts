import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { AgentRecord } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { DiskWatch } from '../agents/disk-watch.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import type { AgentSettings } from '../agents/threads/agent-settings.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import { checkedArchive } from '../workspaces/transfers/checked-archive.ts';
import { transferBounds } from '../workspaces/transfers/transfer-bounds.ts';
import type { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { archiveOfAgent } from './agent-archive.ts';
import { ArchivedAgent } from './archived-agent.ts';
import { completeRestore } from './complete-restore.ts';
import type { RestoredState, RestoreRecord } from './restore.ts';
import type { RestoreStore } from './restore-store.ts';
import { type SnapshotRecord, snapshotsToPrune } from './snapshot.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import { assertQuota } from './snapshot-quota.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import type { UnfinishedRestores } from './unfinished-restores.ts';

type Options = {
  store: {
    agents: AgentStore;
    snapshots: SnapshotStore;
    restores: RestoreStore;
    transaction<T>(work: () => T): T;
  };
  files: WorkspaceFiles;
  snapshotFiles: SnapshotFiles;
  disk: DiskWatch;
  config: Pick<
    Config,
    | 'SNAPSHOTS_PER_AGENT'
    | 'SNAPSHOT_BYTES_PER_PRINCIPAL'
    | 'SNAPSHOT_MAX_BYTES'
    | 'SNAPSHOT_RETENTION'
    | 'TRANSFER_MAX_ENTRIES'
    | 'TRANSFER_TIMEOUT'
  >;
  restores: Pick<UnfinishedRestores, 'settle'>;
  version: string;
};

/** An agent that is awake, without a turn. */
export type AwakeAgent = { agent: AgentRecord; link: AgentLink; signal: AbortSignal };

export type CreatedSnapshot = {
  snapshot: SnapshotRecord;
  /** Entries that are left out, such as links out of the workspace. */
  omitted: number;
  hasConversation: boolean;
  /** Ids of older snapshots that were removed. */
  removed: string[];
};

export type RestoreResult = {
  files: number;
  bytes: number;
  hasConversation: boolean;
  /** MCP servers of the settings that this server does not have. */
  leftOut: string[];
};

/** Makes snapshots of agents, and restores agents from snapshots and uploads. */
export class Snapshots {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Removes files that a killed server left. */
  recover(): void {
    const { store, snapshotFiles } = this.#options;
    snapshotFiles.clear(new Set(store.snapshots.list().map(({ snapshotId }) => snapshotId)));
  }

  /**
   * Throws `snapshot_too_large`, `quota_exceeded`, `storage_full`, `copy_failed`, `container_lost` or the
   * reason of the signal; then there is no snapshot.
   */
  async create(awake: AwakeAgent, label: string | undefined): Promise<CreatedSnapshot> {
    this.prune();
    const { store, snapshotFiles } = this.#options;
    const { agentId, name, owner, tenant } = awake.agent;
    const check = (bytes: number) => this.#assertQuota(awake.agent, bytes);
    check(1);
    const snapshotId = randomUUID();
    const limits = this.#limitOf(awake.signal);
    const content = archiveOfAgent(awake, {
      ...this.#options,
      bounds: {
        bytes: this.#options.config.SNAPSHOT_MAX_BYTES,
        entries: this.#options.config.TRANSFER_MAX_ENTRIES,
      },
      signal: limits,
    });
    const written = await snapshotFiles
      .write(snapshotId, content.archive, check)
      .catch((error: unknown) =>
        Promise.reject(asSnapshotError(this.#refusal(error, awake.signal, limits))),
      );
    const whose = { agentId, name, owner, tenant, ...(label !== undefined && { label }) };
    const snapshot: SnapshotRecord = { snapshotId, ...whose, ...written, createdAt: new Date() };
    try {
      // The owner may have made others meanwhile.
      check(snapshot.bytes);
      store.snapshots.add(snapshot);
    } catch (error) {
      snapshotFiles.remove(snapshotId);
      throw error;
    }
    const { omitted, hasConversation } = content.report();
    return { snapshot, omitted, hasConversation, removed: this.prune() };
  }

  /** The tar archive. Throws `snapshot_not_found`. */
  async unpacked({ snapshotId }: SnapshotRecord): Promise<AsyncIterable<Uint8Array>> {
    const file = await this.#options.snapshotFiles.open(snapshotId);
    const gunzip = createGunzip();
    file.on('error', (error) => gunzip.destroy(error));
    gunzip.on('close', () => file.destroy());
    return file.pipe(gunzip);
  }

  /** The gzip file. Throws `snapshot_not_found`. */
  packed({ snapshotId }: SnapshotRecord): Promise<Readable> {
    return this.#options.snapshotFiles.open(snapshotId);
  }

  /** The next server removes an agent that is created for a restore, unless {@link restore} ends. */
  beginRestore(agentId: AgentId): void {
    this.#options.store.restores.put({ agentId, restoreId: randomUUID(), isNewAgent: true });
  }

  abandonRestore(agentId: AgentId): void {
    this.#options.store.restores.remove(agentId);
  }

  /**
   * Replaces the files, the conversation and, as `fitting` allows, the settings of an agent by those of
   * an archive. Throws `archive_invalid`, `upload_too_large` and what `fitting` throws; then the agent
   * is unchanged.
   */
  async restore(
    { agent: { agentId }, link, signal }: AwakeAgent,
    archive: AsyncIterable<Uint8Array>,
    fitting: (settings: AgentSettings) => { settings: AgentSettings; leftOut: string[] },
  ): Promise<RestoreResult> {
    const { store, files, disk } = this.#options;
    const archived = new ArchivedAgent(transferBounds({ disk, config: this.#bounds() }, agentId));
    const restoreId = randomUUID();
    const isNewAgent = store.restores.list().some((each) => each.agentId === agentId);
    const limits = this.#limitOf(signal);
    let leftOut: string[] = [];
    let arrived: RestoreRecord | undefined;
    try {
      await files.putAgent(agentId, checkedArchive(archive, archived), {
        id: restoreId,
        signal: limits,
        onArrived: () => {
          const fit = fitting(archived.manifest.settings);
          leftOut = fit.leftOut;
          const target = restoredState(archived, fit.settings);
          arrived = { agentId, restoreId, isNewAgent, target };
          store.restores.put(arrived);
        },
      });
      if (arrived) completeRestore(store, arrived);
    } catch (error) {
      if (arrived && !isNewAgent) await this.#options.restores.settle(arrived);
      throw this.#refusal(error, signal, limits);
    } finally {
      link.threads.forgetMain();
    }
    return { ...archived.report, hasConversation: archived.hasConversation, leftOut };
  }

  remove({ snapshotId }: SnapshotRecord): void {
    // The row first: the next start removes a file without a row, but lists would show a row without a file.
    this.#options.store.snapshots.remove(snapshotId);
    this.#options.snapshotFiles.remove(snapshotId);
  }

  /** Removes old and surplus snapshots; returns their ids. */
  prune(): string[] {
    const { store, config } = this.#options;
    const limits = {
      keep: config.SNAPSHOTS_PER_AGENT,
      retentionSeconds: config.SNAPSHOT_RETENTION,
    };
    const excess = snapshotsToPrune(store.snapshots.list(), limits, new Date());
    for (const snapshot of excess) this.remove(snapshot);
    return excess.map(({ snapshotId }) => snapshotId);
  }

  /** Bounds the time in which a snapshot or restore blocks the agent. */
  #limitOf(signal: AbortSignal): AbortSignal {
    const { TRANSFER_TIMEOUT: seconds } = this.#options.config;
    return AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  }

  /** The error to report: the reason of the signal, the time-out, or the cause. */
  #refusal(cause: unknown, signal: AbortSignal, limits: AbortSignal): unknown {
    if (signal.reason instanceof AppError) return signal.reason;
    if (signal.aborted) {
      return new AppError('cancelled', 'The caller disconnected; nothing was changed.', { cause });
    }
    if (!limits.aborted) return cause;
    const { TRANSFER_TIMEOUT: seconds } = this.#options.config;
    return new AppError('copy_failed', `It took longer than ${seconds} s (TRANSFER_TIMEOUT).`, {
      cause,
    });
  }

  #assertQuota(agent: AgentRecord, bytes: number): void {
    const { store, config } = this.#options;
    const { SNAPSHOTS_PER_AGENT: keep, SNAPSHOT_BYTES_PER_PRINCIPAL: limitBytes } = config;
    assertQuota(store.snapshots.list(), agent, bytes, { keep, limitBytes });
  }

  #bounds() {
    const { SNAPSHOT_MAX_BYTES, TRANSFER_MAX_ENTRIES } = this.#options.config;
    return { TRANSFER_MAX_BYTES: SNAPSHOT_MAX_BYTES, TRANSFER_MAX_ENTRIES };
  }
}

function restoredState(archived: ArchivedAgent, settings: AgentSettings): RestoredState {
  const { hasConversation, threadId: forkOf, manifest } = archived;
  const { source = '', toldInstructions: told } = manifest;
  if (!hasConversation) return { settings, source };
  return { settings, source, forkOf, ...(told && { toldInstructions: told }) };
}

function asSnapshotError(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'upload_too_large') return error;
  return new AppError('snapshot_too_large', error.message, { data: error.data, cause: error });
}
