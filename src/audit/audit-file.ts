import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { BEGINNING, type ChainedRecord, type ChainLink } from './audit-record.ts';

export const AUDIT_FILE = 'audit.sqlite';
/** A reader blocks the writer only while it opens the file. */
const BUSY_TIMEOUT_MS = 1000;

/**
 * The triggers bind every client of the file. Records are removed from the beginning only, up to the
 * anchor, and the anchor moves forward only, to an existing record.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS anchor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO anchor (id, seq, hash) VALUES (1, ${BEGINNING.seq}, '${BEGINNING.hash}');
  CREATE TRIGGER IF NOT EXISTS records_stay BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END;
  CREATE TRIGGER IF NOT EXISTS records_go_in_order BEFORE DELETE ON records
    WHEN OLD.seq > (SELECT seq FROM anchor)
    BEGIN SELECT RAISE(ABORT, 'an audit record is removed by retention only'); END;
  CREATE TRIGGER IF NOT EXISTS records_follow BEFORE INSERT ON records
    WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM records)
    BEGIN SELECT RAISE(ABORT, 'an audit record is added at the end only'); END;
  CREATE TRIGGER IF NOT EXISTS anchor_stays BEFORE DELETE ON anchor
    BEGIN SELECT RAISE(ABORT, 'the anchor of the audit stays'); END;
  CREATE TRIGGER IF NOT EXISTS anchor_goes_forward BEFORE UPDATE ON anchor
    WHEN NEW.seq <= OLD.seq
      OR NOT EXISTS (SELECT 1 FROM records WHERE seq = NEW.seq AND hash = NEW.hash)
    BEGIN SELECT RAISE(ABORT, 'the anchor of the audit is a record that there is'); END;
`;

/** The database of the audit, which has one writer. */
export class AuditFile {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare('INSERT INTO records (seq, hash, text) VALUES (?, ?, ?)');
  }

  /** Opens or creates the file. Throws errors of SQLite. */
  static open(directory: string): AuditFile {
    const database = new DatabaseSync(path.join(directory, AUDIT_FILE), {
      timeout: BUSY_TIMEOUT_MS,
    });
    try {
      // Readers do not block the writer, and each commit is on the disk.
      database.exec('PRAGMA journal_mode = WAL');
      database.exec('PRAGMA synchronous = FULL');
      database.exec(SCHEMA);
      return new AuditFile(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** The end of the chain. */
  last(): ChainLink {
    const row =
      this.#database.prepare('SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1').get() ??
      this.#database.prepare('SELECT seq, hash FROM anchor').get();
    return { seq: Number(row?.seq), hash: String(row?.hash) };
  }

  /** Whether the record exists, or was before the anchor. */
  has({ seq, hash }: ChainLink): boolean {
    const anchor = this.#database.prepare('SELECT seq FROM anchor').get();
    if (seq <= Number(anchor?.seq)) return true;
    const row = this.#database.prepare('SELECT hash FROM records WHERE seq = ?').get(seq);
    return row?.hash === hash;
  }

  /** Writes all or none. Durable when it returns; throws errors of SQLite. */
  write(records: readonly ChainedRecord[]): void {
    this.#inTransaction(() => this.#insertAll(records));
  }

  /** The last of the first `limit` records that is older than `time`, as are all before it. */
  lastBefore(time: Date, limit: number): ChainLink | undefined {
    const rows = this.#database
      .prepare("SELECT seq, hash, text ->> '$.at' AS at FROM records ORDER BY seq LIMIT ?")
      .iterate(limit);
    let last: ChainLink | undefined;
    for (const { seq, hash, at } of rows) {
      if (Date.parse(String(at)) >= time.getTime()) break;
      last = { seq: Number(seq), hash: String(hash) };
    }
    return last;
  }

  /** Removes the records up to `through`, and appends the record of the removal. */
  prune(through: ChainLink, record: ChainedRecord): void {
    this.#inTransaction(() => {
      this.#insertAll([record]);
      const { seq, hash } = through;
      this.#database.prepare('UPDATE anchor SET seq = ?, hash = ?').run(seq, hash);
      this.#database.prepare('DELETE FROM records WHERE seq <= ?').run(seq);
    });
  }

  close(): void {
    this.#database.close();
  }

  #insertAll(records: readonly ChainedRecord[]): void {
    for (const { seq, hash, text } of records) this.#insert.run(seq, hash, text);
  }

  #inTransaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // On a full disk SQLite has rolled back itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
