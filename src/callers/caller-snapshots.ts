import type { Readable } from 'node:stream';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { assertReplaceable } from '../agents/sources/sources.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { auditCall, recordCall } from '../audit/call-record.ts';
import { AppError } from '../errors.ts';
import type { SnapshotRecord } from '../snapshots/snapshot.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { RestoreResult, Snapshots } from '../snapshots/snapshots.ts';
import { CallerSettings, type SettingsServices } from './caller-settings.ts';
import { CallerView } from './caller-view.ts';
import { CallerWorkspaces, type WorkspaceServices } from './caller-workspaces.ts';
import { derivedName } from './derived-name.ts';

export type SnapshotServices = {
  snapshots: Snapshots;
  agents: Pick<AgentManager, 'transition'>;
  store: { agents: AgentStore; snapshots: SnapshotStore };
  audit: AuditLog;
};

export type RestoreOptions = { replace: boolean; signal: AbortSignal };

/** A snapshot as its owner or an administrator sees it. */
export type SnapshotView = {
  snapshotId: string;
  /** Name of the agent, which may be removed. */
  agent: string;
  label: string | undefined;
  /** Size of the packed file. */
  bytes: number;
  /** Of the packed file, in hex. */
  sha256: string;
  createdAt: Date;
};

/** Snapshots of one caller's agents, removed agents included. Others' are `snapshot_not_found`. */
export class CallerSnapshots extends CallerView<
  SnapshotServices & SettingsServices & WorkspaceServices
> {
  readonly #workspaces = new CallerWorkspaces(this.services, this.principal);

  /** Throws what `CallerWorkspaces.readIdle` and `Snapshots.create` throw. */
  async make(name: string, label: string | undefined, signal: AbortSignal) {
    const { snapshots } = this.services;
    const { snapshot, ...made } = await this.#workspaces.readIdle(name, (link, agent) =>
      snapshots.create({ agent, link, signal }, label),
    );
    return { ...made, snapshot: this.#view(snapshot) };
  }

  /** Of one agent, or of all, the newest first. Throws `forbidden`, or `agent_not_found` for a name that the caller may not use. */
  list(name?: string): SnapshotView[] {
    const { store, ownerships } = this.services;
    this.demand('read');
    const agentId = name === undefined ? undefined : this.idOf(name);
    return store.snapshots
      .list(agentId)
      .filter((record) => ownerships.sees(this.principal, record))
      .map((record) => this.#view(record));
  }

  /** The packed file. Throws `snapshot_not_found` or `forbidden`. */
  async download(snapshotId: string): Promise<{ snapshot: SnapshotView; file: Readable }> {
    const record = this.#get(snapshotId);
    const { snapshots, audit } = this.services;
    const file = await snapshots.packed(record);
    const call = { tool: 'get_snapshot', principal: this.principal, agentId: record.agentId };
    recordCall(audit, call, { outcome: 'ok', snapshot: snapshotId });
    return { snapshot: this.#view(record), file };
  }

  /**
   * Creates the named agent, by default one with a generated name, from a snapshot. Throws
   * `snapshot_not_found` and what `upload` throws.
   */
  async restore(
    snapshotId: string,
    { name, ...options }: RestoreOptions & { name: string | undefined },
  ): Promise<RestoreResult & { agent: string }> {
    const record = this.#get(snapshotId);
    const agent = name ?? derivedName(record.name, 'restored');
    const archive = await this.services.snapshots.unpacked(record);
    return { ...(await this.#restore(agent, archive, options)), agent };
  }

  /**
   * Creates an agent from an archive of unknown origin. Throws `agent_exists` unless the agent is to be
   * replaced, `agent_busy`, `forbidden`, and what `Snapshots.restore` throws; nothing has changed then.
   */
  async upload(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    options: RestoreOptions,
  ): Promise<RestoreResult> {
    const { audit } = this.services;
    audit.assertWritable();
    const agentId = this.idOf(name);
    const call = { tool: 'restore', principal: this.principal, agentId };
    return auditCall(audit, call, () => this.#restore(name, archive, options));
  }

  /** Throws `snapshot_not_found` or `forbidden`. */
  remove(snapshotId: string): SnapshotView {
    this.demand('work');
    const record = this.#get(snapshotId);
    this.services.snapshots.remove(record);
    return this.#view(record);
  }

  async #restore(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    { replace, signal }: RestoreOptions,
  ): Promise<RestoreResult> {
    const { snapshots, agents, store, ownerships } = this.services;
    this.demand('work');
    const settings = new CallerSettings(this.services, this.principal);
    const wanted = ownerships.findOrNew(this.principal, name);
    const { agentId } = wanted;
    const existed = store.agents.get(agentId) !== undefined;
    if (existed && !replace) throw new AppError('agent_exists', `Agent "${name}" exists already.`);
    assertReplaceable(wanted);
    if (!existed) snapshots.beginRestore(agentId);
    try {
      return await this.#workspaces.change(name, (link, agent) =>
        snapshots.restore({ agent, link, signal }, archive, (given) => settings.fitting(given)),
      );
    } catch (error) {
      // An agent that somebody uses by now stays.
      if (!existed) {
        await agents.transition('remove', agentId, 'cleanup');
        snapshots.abandonRestore(agentId);
      }
      throw error;
    }
  }

  #get(snapshotId: string): SnapshotRecord {
    const { store, ownerships } = this.services;
    this.demand('read');
    const record = store.snapshots.get(snapshotId);
    if (record && ownerships.sees(this.principal, record)) return record;
    throw new AppError('snapshot_not_found', `There is no snapshot "${snapshotId}".`);
  }

  /** The agent may be removed long ago, so `Ownerships` may not know it. */
  #view({
    snapshotId,
    name,
    owner,
    label,
    bytes,
    sha256,
    createdAt,
  }: SnapshotRecord): SnapshotView {
    const agent = owner === this.principal.id ? name : `${name}@${owner}`;
    return { snapshotId, agent, label, bytes, sha256, createdAt };
  }
}
