import type { Readable } from 'node:stream';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { assertReplaceable } from '../agents/sources/sources.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { recordCall, witnessCall } from '../audit/call-record.ts';
import { AppError } from '../errors.ts';
import { demand } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import type { BackupRecord } from '../snapshots/snapshot.ts';
import type { BackupStore } from '../snapshots/snapshot-store.ts';
import type { Backups, Made, Restored } from '../snapshots/snapshots.ts';
import type { CallerSettings } from './caller-settings.ts';
import type { CallerWorkspaces } from './caller-workspaces.ts';
import type { Ownerships } from './ownership.ts';

export type BackupServices = {
  backups: Backups;
  agents: Pick<AgentManager, 'transition'>;
  store: { agents: AgentStore; backups: BackupStore };
  audit: AuditLog;
  ownerships: Ownerships;
};

/** What the caller works through besides. */
type Ways = { workspaces: CallerWorkspaces; settings: CallerSettings };

export type RestoreOptions = { replace: boolean; signal: AbortSignal };

/** Backups of one caller's agents, those of removed ones included. Others' are `snapshot_not_found`. */
export class CallerBackups {
  readonly #services: BackupServices;
  readonly #ways: Ways;
  readonly #principal: Principal;

  constructor(services: BackupServices, ways: Ways, principal: Principal) {
    this.#services = services;
    this.#ways = ways;
    this.#principal = principal;
  }

  /** Throws what `CallerWorkspaces.still` and `Backups.make` throw. */
  make(name: string, label: string | undefined, signal: AbortSignal): Promise<Made> {
    const { backups } = this.#services;
    return this.#ways.workspaces.still(name, (link, agent) =>
      backups.make({ agent, link, signal }, label),
    );
  }

  /** Those of an agent, or of all, the newest first. Throws `forbidden`, or `agent_not_found` for what nobody may name. */
  list(name?: string): BackupRecord[] {
    const { store, ownerships } = this.#services;
    demand(this.#principal, 'read');
    const agentId = name === undefined ? undefined : ownerships.idOf(this.#principal, name);
    return store.backups.list(agentId).filter((backup) => ownerships.sees(this.#principal, backup));
  }

  /** Throws `snapshot_not_found` or `forbidden`. */
  get(backupId: string): BackupRecord {
    const { store, ownerships } = this.#services;
    demand(this.#principal, 'read');
    const backup = store.backups.get(backupId);
    if (backup && ownerships.sees(this.#principal, backup)) return backup;
    throw new AppError('snapshot_not_found', `There is no snapshot "${backupId}".`);
  }

  /** What the caller calls the agent, which may be gone. */
  nameOf({ name, owner }: BackupRecord): string {
    return owner === this.#principal.id ? name : `${name}@${owner}`;
  }

  /** The file, packed. Throws `snapshot_not_found` or `forbidden`. */
  async download(backupId: string): Promise<{ backup: BackupRecord; file: Readable }> {
    const backup = this.get(backupId);
    const { backups, audit } = this.#services;
    const file = await backups.packed(backup);
    const call = { tool: 'get_snapshot', principal: this.#principal, agentId: backup.agentId };
    recordCall(audit, call, { outcome: 'ok', snapshot: backupId });
    return { backup, file };
  }

  /** Makes an agent of a backup. Throws `snapshot_not_found` and what `upload` throws. */
  async restore(backupId: string, name: string, options: RestoreOptions): Promise<Restored> {
    const backup = this.get(backupId);
    return this.#restore(name, await this.#services.backups.unpacked(backup), options);
  }

  /**
   * Makes an agent of an archive that anybody may have made. Throws `agent_exists` unless it is to
   * be replaced, `agent_busy`, `forbidden`, and what `Backups.restore` throws; then all is as it was.
   */
  async upload(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    options: RestoreOptions,
  ): Promise<Restored> {
    const { audit, ownerships } = this.#services;
    audit.assertWritable();
    const agentId = ownerships.idOf(this.#principal, name);
    const call = { tool: 'restore', principal: this.#principal, agentId };
    return witnessCall(audit, call, () => this.#restore(name, archive, options));
  }

  /** Throws `snapshot_not_found` or `forbidden`. */
  remove(backupId: string): BackupRecord {
    demand(this.#principal, 'work');
    const backup = this.get(backupId);
    this.#services.backups.remove(backup);
    return backup;
  }

  async #restore(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    { replace, signal }: RestoreOptions,
  ): Promise<Restored> {
    const { backups, agents, store, ownerships } = this.#services;
    const { workspaces, settings } = this.#ways;
    demand(this.#principal, 'work');
    const meant = ownerships.begin(this.#principal, name);
    const { agentId } = meant;
    const wasThere = store.agents.get(agentId) !== undefined;
    if (wasThere && !replace) {
      throw new AppError('agent_exists', `There is an agent "${name}" already.`);
    }
    assertReplaceable(meant);
    if (!wasThere) backups.begin(agentId);
    try {
      return await workspaces.change(name, (link, agent) =>
        backups.restore({ agent, link, signal }, archive, (given) => settings.fitting(given)),
      );
    } catch (error) {
      // Whoever calls it meanwhile keeps it.
      if (!wasThere) {
        await agents.transition('remove', agentId, 'cleanup');
        backups.giveUp(agentId);
      }
      throw error;
    }
  }
}
