import fs from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { AgentId } from '../identity/agent-id.ts';
import type { ChainedRecord, ChainLink } from './audit-record.ts';

export type AuditFilter = {
  /** Inclusive. */
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
  agentId?: AgentId | undefined;
  principal?: string | undefined;
  types?: readonly string[] | undefined;
};

/** Reads a snapshot of the audit, even while a server writes to it. */
export class AuditReader {
  readonly #database: DatabaseSync;

  /** Throws errors of SQLite, and if the file does not exist. */
  constructor(file: string) {
    fs.accessSync(file, fs.constants.R_OK);
    this.#database = new DatabaseSync(locationOf(file), { readOnly: true });
    this.#database.exec('BEGIN');
  }

  /** The last removed record. */
  anchor(): ChainLink {
    const row = this.#database.prepare('SELECT seq, hash FROM anchor').get();
    return { seq: Number(row?.seq), hash: String(row?.hash) };
  }

  *records(filter: AuditFilter = {}): Generator<ChainedRecord> {
    const conditions: string[] = [];
    const values: string[] = [];
    const add = (condition: string, value: string | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    add("text ->> '$.at' >= ?", filter.from?.toISOString());
    add("text ->> '$.at' < ?", filter.to?.toISOString());
    add("text ->> '$.agentId' = ?", filter.agentId);
    add("text ->> '$.principal' = ?", filter.principal);
    const types = filter.types && JSON.stringify(filter.types);
    add("text ->> '$.type' IN (SELECT value FROM json_each(?))", types);
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    const query = `SELECT seq, hash, text FROM records ${where} ORDER BY seq`;
    for (const row of this.#database.prepare(query).iterate(...values)) yield toRecord(row);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** A file that no process has open is read without a lock, which would leave files beside it. */
function locationOf(file: string): URL {
  const url = pathToFileURL(file);
  if (!fs.existsSync(`${file}-wal`)) url.searchParams.set('immutable', '1');
  return url;
}

function toRecord({ seq, hash, text }: Record<string, SQLOutputValue>): ChainedRecord {
  return { seq: Number(seq), hash: String(hash), text: String(text) };
}
