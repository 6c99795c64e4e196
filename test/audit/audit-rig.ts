import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { AUDIT_FILE } from '../../src/audit/audit-file.ts';
import { readHead } from '../../src/audit/audit-head.ts';
import { AuditReader } from '../../src/audit/audit-reader.ts';
import { Redactor } from '../../src/audit/redaction/redactor.ts';
import { SqliteAuditLog, type SqliteAuditOptions } from '../../src/audit/sqlite-audit-log.ts';
import { type AuditVerdict, verifyAudit } from '../../src/audit/verify-audit.ts';

/** A record as tests look into it. */
export type Seen = {
  type: string;
  principal: string;
  tenant: string;
  agentId?: string;
  turnId?: string;
  sessionId?: string;
  correlationId?: string;
  data?: Record<string, unknown>;
};

/** All records of the audit in a directory, the oldest first. */
export function recordsIn(directory: string): Seen[] {
  using reader = new AuditReader(path.join(directory, AUDIT_FILE));
  return [...reader.records()].map(({ text }) => JSON.parse(text));
}

/** A directory for an audit, which goes with the test. */
export function freshDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'audit-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function openLog(
  directory: string,
  config: Partial<SqliteAuditOptions['config']> = {},
): SqliteAuditLog {
  return new SqliteAuditLog({
    directory,
    redactor: new Redactor(),
    config: { AUDIT_RETENTION_DAYS: 365, AUDIT_REQUIRED: false, ...config },
    log: pino({ level: 'silent' }),
  });
}

/** An audit of so many records, closed, with all of them on the disk. */
export function writtenAudit(records: number): string {
  const directory = freshDirectory();
  const log = openLog(directory);
  for (let number = 1; number <= records; number += 1) {
    log.append({ type: 'call', agentId: `agent-${number % 3}`, data: { number } });
  }
  log.close();
  return directory;
}

/** As `audit verify` does it. */
export function verify(directory: string): AuditVerdict {
  const head = readHead(directory);
  using reader = new AuditReader(path.join(directory, AUDIT_FILE));
  return verifyAudit(reader, head ? [head] : []);
}

/** The records as they were written, the oldest first. */
export function recordsOf(directory: string): Record<string, unknown>[] {
  using reader = new AuditReader(path.join(directory, AUDIT_FILE));
  return [...reader.records()].map(({ text }) => JSON.parse(text));
}

/** What somebody can do who has the file, and no mind to be stopped by its triggers. */
export function tamper(directory: string, ...statements: string[]): void {
  using database = new DatabaseSync(path.join(directory, AUDIT_FILE));
  const triggers = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all();
  for (const { name } of triggers) database.exec(`DROP TRIGGER ${String(name)}`);
  for (const statement of statements) database.exec(statement);
}
