import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { ThreadRecord } from '../../agents/threads/thread.ts';
import { THREADS_KEPT, type ThreadStore } from '../../agents/threads/thread-store.ts';
import type { AgentId } from '../../identity/agent-id.ts';

export class SqliteThreadStore implements ThreadStore {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #setToldInstructions: StatementSync;
  readonly #touch: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare('SELECT * FROM threads WHERE thread_id = ?');
    this.#list = database.prepare(`
      SELECT * FROM threads WHERE ?1 IS NULL OR agent_id = ?1
      ORDER BY last_used_at DESC, rowid DESC LIMIT ?2`);
    this.#put = database.prepare(`
      INSERT OR REPLACE INTO threads
        (thread_id, agent_id, settings, told_instructions, created_at, last_used_at)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#forget = database.prepare(`
      DELETE FROM threads WHERE thread_id IN (
        SELECT thread_id FROM threads WHERE agent_id = ?
        ORDER BY last_used_at DESC LIMIT -1 OFFSET ${THREADS_KEPT}
      )`);
    this.#setToldInstructions = database.prepare(
      'UPDATE threads SET told_instructions = ? WHERE thread_id = ?',
    );
    this.#touch = database.prepare('UPDATE threads SET last_used_at = ? WHERE thread_id = ?');
  }

  get(threadId: string): ThreadRecord | undefined {
    const row = this.#get.get(threadId);
    return row && toRecord(row);
  }

  list({ agentId, limit }: { agentId?: AgentId; limit: number }): ThreadRecord[] {
    return this.#list.all(agentId ?? null, limit).map(toRecord);
  }

  put({ threadId, agentId, settings, toldInstructions, ...times }: ThreadRecord): void {
    this.#put.run(
      ...[threadId, agentId, JSON.stringify(settings), toldInstructions ?? null],
      ...[times.createdAt.getTime(), times.lastUsedAt.getTime()],
    );
    this.#forget.run(agentId);
  }

  setToldInstructions(threadId: string, instructions: string | undefined): void {
    this.#setToldInstructions.run(instructions ?? null, threadId);
  }

  touch(threadId: string, usedAt: Date): void {
    this.#touch.run(usedAt.getTime(), threadId);
  }
}

// Rows are trusted: only this class writes them.
function toRecord(row: Record<string, SQLOutputValue>): ThreadRecord {
  return {
    threadId: String(row.thread_id),
    agentId: String(row.agent_id),
    settings: JSON.parse(String(row.settings)),
    ...(row.told_instructions !== null && { toldInstructions: String(row.told_instructions) }),
    createdAt: new Date(Number(row.created_at)),
    lastUsedAt: new Date(Number(row.last_used_at)),
  };
}
