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
import { checkedArchive } from '../workspaces/transfers/checked-archive.ts';
import { transferBounds } from '../workspaces/transfers/transfer-bounds.ts';
import type { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { archiveOfAgent } from './agent-archive.ts';
import { ArchivedAgent } from './archived-agent.ts';
import { complete } from './restore.ts';
import type { Becoming, RestoreRecord } from './restore-record.ts';
import { type BackupRecord, excessOf } from './snapshot.ts';
import type { BackupFiles } from './snapshot-files.ts';
import { assertQuota } from './snapshot-quota.ts';
import type { BackupStore, RestoreStore } from './snapshot-store.ts';
import type { UnfinishedRestores } from './unfinished-restores.ts';

type Options = {
  store: {
    agents: AgentStore;
    backups: BackupStore;
    restores: RestoreStore;
    transaction<T>(work: () => T): T;
  };
  files: WorkspaceFiles;
  backupFiles: BackupFiles;
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

/** An agent that is awake and has nothing else to do. */
export type Resting = { agent: AgentRecord; link: AgentLink; signal: AbortSignal };

export type Made = {
  backup: BackupRecord;
  /** Entries that nobody should be handed, such as links out of the workspace. */
  omitted: number;
  hasConversation: boolean;
  /** Ids of those of the agent that made room. */
  removed: string[];
};

export type Restored = {
  files: number;
  bytes: number;
  hasConversation: boolean;
  /** MCP servers that this server does not have. */
  leftOut: string[];
};

/** Writes agents into files of the server, and makes agents of such files, from wherever they come. */
export class Backups {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Removes what a server left that was killed. */
  recover(): void {
    const { store, backupFiles } = this.#options;
    backupFiles.clear(new Set(store.backups.list().map(({ backupId }) => backupId)));
  }

  /**
   * Throws `snapshot_too_large`, `quota_exceeded`, `storage_full`, `copy_failed`, `container_lost` or why the signal was
   * aborted; then there is none.
   */
  async make(resting: Resting, label: string | undefined): Promise<Made> {
    this.tidy();
    const { store, backupFiles } = this.#options;
    const { agentId, name, owner, tenant } = resting.agent;
    const check = (bytes: number) => this.#assertQuota(resting.agent, bytes);
    check(1);
    const backupId = randomUUID();
    const limits = this.#limitOf(resting.signal);
    const content = archiveOfAgent(resting, {
      ...this.#options,
      bounds: {
        bytes: this.#options.config.SNAPSHOT_MAX_BYTES,
        entries: this.#options.config.TRANSFER_MAX_ENTRIES,
      },
      signal: limits,
    });
    const written = await backupFiles
      .write(backupId, content.archive, check)
      .catch((error: unknown) =>
        Promise.reject(inOurWords(this.#refusal(error, resting.signal, limits))),
      );
    const whose = { agentId, name, owner, tenant, ...(label !== undefined && { label }) };
    const backup: BackupRecord = { backupId, ...whose, ...written, createdAt: new Date() };
    try {
      // Others of the same owner may have been made meanwhile.
      check(backup.bytes);
      store.backups.add(backup);
    } catch (error) {
      backupFiles.remove(backupId);
      throw error;
    }
    const { omitted, hasConversation } = content.report();
    return { backup, omitted, hasConversation, removed: this.tidy() };
  }

  /** The archive of a backup, unpacked. Throws `snapshot_not_found`. */
  async unpacked({ backupId }: BackupRecord): Promise<AsyncIterable<Uint8Array>> {
    const file = await this.#options.backupFiles.open(backupId);
    const gunzip = createGunzip();
    file.on('error', (error) => gunzip.destroy(error));
    gunzip.on('close', () => file.destroy());
    return file.pipe(gunzip);
  }

  /** The file of a backup. Throws `snapshot_not_found`. */
  packed({ backupId }: BackupRecord): Promise<Readable> {
    return this.#options.backupFiles.open(backupId);
  }

  /** Has an agent that does not exist yet removed again by the next server, unless {@link restore} ends. */
  begin(agentId: string): void {
    this.#options.store.restores.put({ agentId, restoreId: randomUUID(), begins: true });
  }

  /** Whatever became of it. */
  giveUp(agentId: string): void {
    this.#options.store.restores.remove(agentId);
  }

  /**
   * Makes the agent what an archive holds: its files, its conversation and, as far as `fitting` lets
   * them, its settings. Throws `archive_invalid`, `upload_too_large` and what `fitting` throws; then
   * the agent is as it was.
   */
  async restore(
    { agent: { agentId }, link, signal }: Resting,
    archive: AsyncIterable<Uint8Array>,
    fitting: (settings: AgentSettings) => { settings: AgentSettings; leftOut: string[] },
  ): Promise<Restored> {
    const { store, files, disk } = this.#options;
    const archived = new ArchivedAgent(transferBounds({ disk, config: this.#bounds() }, agentId));
    const restoreId = randomUUID();
    const begins = store.restores.list().some((each) => each.agentId === agentId);
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
          const becomes = becomingOf(archived, fit.settings);
          arrived = { agentId, restoreId, begins, becomes };
          store.restores.put(arrived);
        },
      });
      if (arrived) complete(store, arrived);
    } catch (error) {
      if (arrived && !begins) await this.#options.restores.settle(arrived);
      throw this.#refusal(error, signal, limits);
    } finally {
      link.threads.forgetMain();
    }
    return { ...archived.report, hasConversation: archived.hasConversation, leftOut };
  }

  remove({ backupId }: BackupRecord): void {
    // A file that nobody knows is removed at the next start; a row without a file would be in lists.
    this.#options.store.backups.remove(backupId);
    this.#options.backupFiles.remove(backupId);
  }

  /** Removes what is too old, or of one agent too many; answers the ids. */
  tidy(): string[] {
    const { store, config } = this.#options;
    const limits = {
      keep: config.SNAPSHOTS_PER_AGENT,
      retentionSeconds: config.SNAPSHOT_RETENTION,
    };
    const excess = excessOf(store.backups.list(), limits, new Date());
    for (const backup of excess) this.remove(backup);
    return excess.map(({ backupId }) => backupId);
  }

  /** One archive, made or restored, keeps others from the agent. */
  #limitOf(signal: AbortSignal): AbortSignal {
    const { TRANSFER_TIMEOUT: seconds } = this.#options.config;
    return AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  }

  /** Why it came to no end, if somebody wanted none. */
  #refusal(cause: unknown, signal: AbortSignal, limits: AbortSignal): unknown {
    if (signal.reason instanceof AppError) return signal.reason;
    if (signal.aborted) {
      return new AppError('cancelled', 'The caller went away: nothing was changed.', { cause });
    }
    if (!limits.aborted) return cause;
    const { TRANSFER_TIMEOUT: seconds } = this.#options.config;
    return new AppError('copy_failed', `It was not done within ${seconds} s.`, { cause });
  }

  #assertQuota(agent: AgentRecord, bytes: number): void {
    const { store, config } = this.#options;
    const { SNAPSHOTS_PER_AGENT: keep, SNAPSHOT_BYTES_PER_PRINCIPAL: limitBytes } = config;
    assertQuota(store.backups.list(), agent, bytes, { keep, limitBytes });
  }

  #bounds() {
    const { SNAPSHOT_MAX_BYTES, TRANSFER_MAX_ENTRIES } = this.#options.config;
    return { TRANSFER_MAX_BYTES: SNAPSHOT_MAX_BYTES, TRANSFER_MAX_ENTRIES };
  }
}

function becomingOf(archived: ArchivedAgent, settings: AgentSettings): Becoming {
  const { hasConversation, threadId: forkOf, manifest } = archived;
  const { source = '', toldInstructions: told } = manifest;
  if (!hasConversation) return { settings, source };
  return { settings, source, forkOf, ...(told && { toldInstructions: told }) };
}

function inOurWords(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'upload_too_large') return error;
  return new AppError('snapshot_too_large', error.message, { data: error.data, cause: error });
}
