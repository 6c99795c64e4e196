import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import { auditData } from './audit-data.ts';
import { AuditFile } from './audit-file.ts';
import { readHead, writeHead } from './audit-head.ts';
import { type AuditEntry, type AuditLog, type AuditState, SERVER } from './audit-log.ts';
import { type ChainLink, chain } from './audit-record.ts';
import type { Redactor } from './redaction/redactor.ts';

/** Entries of this time share one write, and a crash loses them. */
const BATCH_MS = 100;
const BATCH_RECORDS = 1_000;
const RETRY_MS = 2_000;
/** Entries that are kept while writes fail; further ones are counted as lost. */
const WAITING_RECORDS = 10_000;
const HEAD_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PRUNED_AT_ONCE = 5_000;
const PRUNE_PAUSE_MS = 500;

export type SqliteAuditOptions = {
  directory: string;
  redactor: Redactor;
  config: {
    /** 0: for ever. */
    AUDIT_RETENTION_DAYS: number;
    /** Refuses calls while writes fail, and writes each record at once. */
    AUDIT_REQUIRED: boolean;
  };
  log: Logger;
};

type Waiting = { at: Date; entry: AuditEntry };

/**
 * The audit in a SQLite file of its own. Entries that cannot be written wait in memory. Calls fail only
 * if records are required.
 */
export class SqliteAuditLog implements AuditLog {
  readonly #options: SqliteAuditOptions;
  #file: AuditFile | undefined;
  #last: ChainLink | undefined;
  #waiting: Waiting[] = [];
  #failure: string | undefined;
  #lost = 0;
  #unreported = 0;
  #batchTimer: NodeJS.Timeout | undefined;
  #headTimer: NodeJS.Timeout | undefined;
  #pruneTimer: NodeJS.Timeout | undefined;
  readonly #hourly: NodeJS.Timeout;
  #closed = false;

  constructor(options: SqliteAuditOptions) {
    this.#options = options;
    this.#write();
    this.#prune();
    this.#logHead();
    this.#hourly = setInterval(() => {
      this.#prune();
      this.#logHead();
    }, HOUR_MS).unref();
  }

  append(entry: AuditEntry): void {
    if (this.#closed) return;
    if (this.#waiting.length >= WAITING_RECORDS) {
      this.#lost += 1;
      this.#unreported += 1;
      return;
    }
    this.#waiting.push({ at: new Date(), entry: { ...entry, data: this.#dataOf(entry) } });
    if (this.#options.config.AUDIT_REQUIRED && this.#failure === undefined) this.#write();
    else this.#batchTimer ??= setTimeout(() => this.#write(), BATCH_MS).unref();
  }

  assertWritable(): void {
    if (!this.#options.config.AUDIT_REQUIRED || this.#failure === undefined) return;
    throw new AppError(
      'audit_unavailable',
      'The audit cannot be written, and AUDIT_REQUIRED refuses calls until it can.',
    );
  }

  get state(): AuditState {
    return {
      ...(this.#failure !== undefined && { failure: this.#failure }),
      waiting: this.#waiting.length,
      lost: this.#lost,
    };
  }

  /** Writes waiting entries if possible, and closes the file. */
  close(): void {
    clearInterval(this.#hourly);
    clearTimeout(this.#pruneTimer);
    this.#write();
    clearTimeout(this.#batchTimer);
    this.#closed = true;
    this.#writeHead();
    this.#logHead();
    const { length } = this.#waiting;
    if (length > 0) this.#options.log.fatal({ records: length }, 'Audit records are lost');
    this.#file?.close();
  }

  #write(): void {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    try {
      const file = this.#connect();
      this.#recordLost();
      while (this.#waiting.length > 0) this.#writeBatch(file);
      this.#failure = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  #writeBatch(file: AuditFile): void {
    const batch = this.#waiting.slice(0, BATCH_RECORDS);
    let last = this.#last ?? file.last();
    const records = batch.map(({ at, entry }) => {
      const record = chain(last, at, entry);
      last = record;
      return record;
    });
    file.write(records);
    this.#last = last;
    this.#waiting.splice(0, batch.length);
    this.#headTimer ??= setTimeout(() => this.#writeHead(), HEAD_MS).unref();
  }

  #connect(): AuditFile {
    if (this.#file) return this.#file;
    const { directory, log } = this.#options;
    const file = AuditFile.open(directory);
    try {
      const last = file.last();
      const expected = headOf(directory);
      if (expected ? !file.has(expected) : last.seq > 0) {
        log.error({ expected, found: last }, 'Records at the end of the audit are missing');
        const data = { expected: expected ?? 'no audit.head', found: last };
        this.#waiting.unshift({
          at: new Date(),
          entry: { type: 'audit_gap', principal: SERVER, data },
        });
      }
      // From the start, so that a missing head is a finding.
      else if (!expected) writeHead(directory, last);
      this.#last = last;
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    return file;
  }

  #dataOf({ type, data }: AuditEntry): AuditEntry['data'] {
    try {
      return data && auditData(data, this.#options.redactor);
    } catch (error) {
      this.#options.log.error({ err: error, type }, 'The data of an audit record cannot be read');
      return { unreadable: true };
    }
  }

  /** Records in the chain how many records were lost. */
  #recordLost(): void {
    if (this.#unreported === 0) return;
    const data = { records: this.#unreported };
    this.#waiting.push({ at: new Date(), entry: { type: 'audit_lost', principal: SERVER, data } });
    this.#unreported = 0;
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined) {
      this.#options.log.error({ err: error }, 'The audit cannot be written; retrying');
    }
    this.#failure = error instanceof Error ? error.message : String(error);
    if (!this.#closed) this.#batchTimer ??= setTimeout(() => this.#write(), RETRY_MS).unref();
  }

  #writeHead(): void {
    clearTimeout(this.#headTimer);
    this.#headTimer = undefined;
    if (!this.#last) return;
    try {
      writeHead(this.#options.directory, this.#last);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'The head of the audit could not be written');
    }
  }

  /** A log that is kept elsewhere proves the head later. */
  #logHead(): void {
    const { seq, hash } = this.#last ?? {};
    if (seq !== undefined) this.#options.log.info({ seq, hash }, 'Head of the audit');
  }

  #prune(): void {
    const { AUDIT_RETENTION_DAYS: days } = this.#options.config;
    if (days === 0 || this.#closed) return;
    this.#write();
    const [file, last] = [this.#file, this.#last];
    if (!file || !last || this.#failure !== undefined) return;
    try {
      const through = file.lastBefore(new Date(Date.now() - days * DAY_MS), PRUNED_AT_ONCE);
      if (!through) return;
      const data = { throughSeq: through.seq, throughHash: through.hash };
      const record = chain(last, new Date(), { type: 'audit_pruned', principal: SERVER, data });
      file.prune(through, record);
      this.#last = record;
      this.#headTimer ??= setTimeout(() => this.#writeHead(), HEAD_MS).unref();
      this.#pruneTimer = setTimeout(() => this.#prune(), PRUNE_PAUSE_MS).unref();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'Old audit records could not be removed');
    }
  }
}

function headOf(directory: string): ChainLink | undefined {
  try {
    return readHead(directory);
  } catch {
    return undefined;
  }
}
