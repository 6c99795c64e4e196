import type { Readable } from 'node:stream';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { assertReplaceable } from '../agents/sources/sources.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { SnapshotRecord } from '../snapshots/snapshot.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { RestoreResult, Snapshots } from '../snapshots/snapshots.ts';
import { CallerAudit } from './caller-audit.ts';
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
  agent: AgentName;
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
  readonly #audit = new CallerAudit(this.services, this.principal);

  /** Throws what `CallerWorkspaces.readIdle` and `Snapshots.create` throw. */
  async make(name: AgentName, label: string | undefined, signal: AbortSignal) {
    const { snapshots } = this.services;
    const { snapshot, ...made } = await this.#workspaces.readIdle(name, (link, agent) =>
      snapshots.create({ agent, link, signal }, label),
    );
    return { ...made, snapshot: this.#view(snapshot) };
  }

  /** Of one agent, or of all, the newest first. Throws `forbidden`, or `agent_not_found` for a name that the caller may not use. */
  list(name?: AgentName): SnapshotView[] {
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
    const snapshot = this.#view(record);
    const file = await this.services.snapshots.packed(record);
    const data = { tool: 'get_snapshot', outcome: 'ok', snapshot: snapshotId };
    this.#audit.append({ type: 'call', agentName: snapshot.agent, data });
    return { snapshot, file };
  }

  /**
   * Creates the named agent, by default one with a generated name, from a snapshot. Throws
   * `snapshot_not_found` and what `upload` throws.
   */
  async restore(
    snapshotId: string,
    { name, ...options }: RestoreOptions & { name: AgentName | undefined },
  ): Promise<RestoreResult & { agent: AgentName }> {
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
    name: AgentName,
    archive: AsyncIterable<Uint8Array>,
    options: RestoreOptions,
  ): Promise<RestoreResult> {
    this.#audit.assertWritable();
    return this.#audit.call('restore', name, () => this.#restore(name, archive, options));
  }

  /** Throws `snapshot_not_found` or `forbidden`. */
  remove(snapshotId: string): SnapshotView {
    this.demand('work');
    const record = this.#get(snapshotId);
    this.services.snapshots.remove(record);
    return this.#view(record);
  }

  async #restore(
    name: AgentName,
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

  #view(record: SnapshotRecord): SnapshotView {
    const { snapshotId, label, bytes, sha256, createdAt } = record;
    const agent = this.services.ownerships.nameOf(this.principal, record);
    return { snapshotId, agent, label, bytes, sha256, createdAt };
  }
}
