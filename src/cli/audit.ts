import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { AUDIT_FILE } from '../audit/audit-file.ts';
import { readHead } from '../audit/audit-head.ts';
import { AUDIT_TYPES } from '../audit/audit-log.ts';
import { type AuditFilter, AuditReader } from '../audit/audit-reader.ts';
import type { ChainLink } from '../audit/audit-record.ts';
import { EXPORT_FORMATS, exportLines } from '../audit/export-audit.ts';
import { type AuditVerdict, verifyAudit } from '../audit/verify-audit.ts';
import { loadConfig } from '../server/load-config.ts';
import { StartError, UsageError } from './failure.ts';

const LOCATION = {
  'env-file': { type: 'string', default: '.env' },
  /** A copy of the audit, instead of that of DATA_DIR. */
  file: { type: 'string' },
} as const;

/** Verifies or exports the audit, with or without a running server. */
export async function audit([action, ...args]: string[]): Promise<void> {
  if (action === 'verify') return verify(args);
  if (action === 'export') return exportRecords(args);
  throw new UsageError(`audit is followed by verify or export, not by "${action ?? ''}".`);
}

/** Sets the exit code to 1 if the chain is broken. */
function verify(args: string[]): void {
  const { values } = parseArgs({
    args,
    options: { ...LOCATION, json: { type: 'boolean', default: false }, head: { type: 'string' } },
  });
  const named = values.head === undefined ? [] : [linkOf(values.head)];
  const file = fileOf(values);
  // Before the records are read: a running server appends.
  const kept = values.file === undefined ? [headBeside(file)] : [];
  using reader = open(file);
  const verdict = verifyAudit(reader, [...named, ...kept]);
  console.log(values.json ? JSON.stringify(verdict, undefined, 2) : sentenceOf(verdict));
  if (!verdict.ok) process.exitCode = 1;
}

async function exportRecords(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...LOCATION,
      from: { type: 'string' },
      to: { type: 'string' },
      agent: { type: 'string' },
      principal: { type: 'string' },
      type: { type: 'string', multiple: true },
      format: { type: 'string', default: 'jsonl' },
    },
  });
  const filter: AuditFilter = {
    from: momentOf('--from', values.from),
    to: momentOf('--to', values.to),
    agentId: values.agent,
    principal: values.principal,
    types: values.type?.map((type) => oneOf('--type', type, AUDIT_TYPES)),
  };
  const format = oneOf('--format', values.format, EXPORT_FORMATS);
  using reader = open(fileOf(values));
  const lines = Readable.from(exportLines(reader.records(filter), format));
  try {
    await pipeline(lines, process.stdout, { end: false });
  } catch (error) {
    // The reader may close early, as `head` does.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error;
  }
}

function fileOf({ file, 'env-file': envFile }: { file?: string; 'env-file': string }): string {
  return file ?? path.join(loadConfig(process.env, envFile).DATA_DIR, AUDIT_FILE);
}

function open(file: string): AuditReader {
  try {
    return new AuditReader(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(`The audit at ${file} can't be read: ${reason}.`);
  }
}

function headBeside(file: string): ChainLink {
  const directory = path.dirname(file);
  try {
    const head = readHead(directory);
    if (head) return head;
  } catch {
    // An invalid head counts as a missing one.
  }
  throw new StartError(
    `${directory} has no readable audit.head, so missing records at the end cannot be detected. To check a copy without it, use --file, with --head from a log if there is one.`,
  );
}

/** Parses `12:ab…`, from a line of the log. */
function linkOf(text: string): ChainLink {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) {
    throw new UsageError(`--head is "${text}". Allowed: number and hash of a record, as 12:ab….`);
  }
  return { seq: Number(seq), hash };
}

function momentOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const moment = new Date(text);
  if (!Number.isNaN(moment.getTime())) return moment;
  throw new UsageError(`${name} is "${text}". Allowed: a time such as 2026-11-21T15:00:00Z.`);
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found !== undefined) return found;
  throw new UsageError(`${name} is "${text}". Allowed: ${allowed.join(', ')}.`);
}

function sentenceOf({ ok, records, prunedThrough, last, problem }: AuditVerdict): string {
  if (!ok) return `Broken at record ${problem?.seq}: ${problem?.message}`;
  const before = prunedThrough > 0 ? `; retention removed those up to ${prunedThrough}` : '';
  return `Whole: ${records} records, the last one ${last.seq}:${last.hash}${before}.`;
}
