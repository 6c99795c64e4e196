import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { AgentRecord } from '../../agents/agent.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { AgentSettings } from '../../agents/threads/agent-settings.ts';
import type { AgentId } from '../../identity/agent-id.ts';

export class SqliteAgentStore implements AgentStore {
  readonly #get: StatementSync;
  readonly #byThread: StatementSync;
  readonly #list: StatementSync;
  readonly #count: StatementSync;
  readonly #countOf: StatementSync;
  readonly #put: StatementSync;
  readonly #setThread: StatementSync;
  readonly #setSettings: StatementSync;
  readonly #setToldInstructions: StatementSync;
  readonly #touch: StatementSync;
  readonly #setPinned: StatementSync;
  readonly #setArchived: StatementSync;
  readonly #setSource: StatementSync;
  readonly #setWorkspacePath: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare('SELECT * FROM agents WHERE agent_id = ?');
    this.#byThread = database.prepare('SELECT * FROM agents WHERE thread_id = ?');
    this.#list = database.prepare('SELECT * FROM agents ORDER BY last_used_at DESC, agent_id');
    this.#countOf = database.prepare('SELECT count(*) AS agents FROM agents WHERE owner = ?');
    this.#count = database.prepare('SELECT count(*) AS agents FROM agents');
    this.#put = database.prepare(`
      INSERT INTO agents
        (agent_id, name, owner, tenant, thread_id, fork_of, told_instructions, token_sha256, pinned,
        archived, settings, created_at, last_used_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (agent_id) DO UPDATE SET
        thread_id = excluded.thread_id,
        fork_of = excluded.fork_of,
        token_sha256 = excluded.token_sha256,
        pinned = excluded.pinned,
        archived = excluded.archived,
        last_used_at = excluded.last_used_at`);
    this.#setThread = database.prepare(
      'UPDATE agents SET thread_id = ?, told_instructions = ? WHERE agent_id = ?',
    );
    this.#setSettings = database.prepare('UPDATE agents SET settings = ? WHERE agent_id = ?');
    this.#setToldInstructions = database.prepare(
      'UPDATE agents SET told_instructions = ? WHERE agent_id = ?',
    );
    this.#touch = database.prepare('UPDATE agents SET last_used_at = ? WHERE agent_id = ?');
    this.#setPinned = database.prepare('UPDATE agents SET pinned = ? WHERE agent_id = ?');
    this.#setArchived = database.prepare('UPDATE agents SET archived = ? WHERE agent_id = ?');
    this.#setSource = database.prepare('UPDATE agents SET source = ? WHERE agent_id = ?');
    this.#setWorkspacePath = database.prepare(
      'UPDATE agents SET workspace_path = ? WHERE agent_id = ?',
    );
    this.#remove = database.prepare('DELETE FROM agents WHERE agent_id = ?');
  }

  get(agentId: AgentId): AgentRecord | undefined {
    const row = this.#get.get(agentId);
    return row && toRecord(row);
  }

  findByThread(threadId: string): AgentRecord | undefined {
    const row = this.#byThread.get(threadId);
    return row && toRecord(row);
  }

  list(): AgentRecord[] {
    return this.#list.all().map(toRecord);
  }

  count(owner?: string): number {
    const row = owner === undefined ? this.#count.get() : this.#countOf.get(owner);
    return Number(row?.agents);
  }

  put(agent: AgentRecord): void {
    this.#put.run(
      agent.agentId,
      agent.name,
      agent.owner,
      agent.tenant,
      agent.threadId ?? null,
      agent.forkOf ?? null,
      agent.toldInstructions ?? null,
      agent.tokenSha256,
      Number(agent.pinned),
      Number(agent.archived),
      JSON.stringify(agent.settings),
      agent.createdAt.getTime(),
      agent.lastUsedAt.getTime(),
    );
  }

  setThread(agentId: AgentId, threadId: string, toldInstructions?: string): void {
    this.#setThread.run(threadId, toldInstructions ?? null, agentId);
  }

  setSettings(agentId: AgentId, settings: AgentSettings): void {
    this.#setSettings.run(JSON.stringify(settings), agentId);
  }

  setToldInstructions(agentId: AgentId, instructions: string | undefined): void {
    this.#setToldInstructions.run(instructions ?? null, agentId);
  }

  touch(agentId: AgentId, usedAt: Date): void {
    this.#touch.run(usedAt.getTime(), agentId);
  }

  setPinned(agentId: AgentId, pinned: boolean): void {
    this.#setPinned.run(Number(pinned), agentId);
  }

  setArchived(agentId: AgentId, archived: boolean): void {
    this.#setArchived.run(Number(archived), agentId);
  }

  setSource(agentId: AgentId, digest: string): void {
    this.#setSource.run(digest, agentId);
  }

  setWorkspacePath(agentId: AgentId, path: string): void {
    this.#setWorkspacePath.run(path, agentId);
  }

  remove(agentId: AgentId): void {
    this.#remove.run(agentId);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): AgentRecord {
  return {
    agentId: String(row.agent_id),
    name: String(row.name),
    owner: String(row.owner),
    tenant: String(row.tenant),
    ...(row.thread_id !== null && { threadId: String(row.thread_id) }),
    ...(row.fork_of !== null && { forkOf: String(row.fork_of) }),
    tokenSha256: String(row.token_sha256),
    ...(row.source !== null && { source: String(row.source) }),
    ...(row.workspace_path !== null && { workspacePath: String(row.workspace_path) }),
    pinned: row.pinned === 1,
    archived: row.archived === 1,
    settings: JSON.parse(String(row.settings)),
    ...(row.told_instructions !== null && { toldInstructions: String(row.told_instructions) }),
    createdAt: new Date(Number(row.created_at)),
    lastUsedAt: new Date(Number(row.last_used_at)),
  };
}
