import type { ChainedRecord } from './audit-record.ts';

export const EXPORT_FORMATS = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const COLUMNS = [
  'seq',
  'at',
  'type',
  'principal',
  'tenant',
  'agentId',
  'sessionId',
  'turnId',
  'correlationId',
  'tokens',
  'cost',
  'data',
  'prevHash',
] as const;

/** Lines with line ends. A line of JSON is the record and its `hash`. */
export function* exportLines(
  records: Iterable<ChainedRecord>,
  format: ExportFormat,
): Generator<string> {
  if (format === 'csv') yield `${[...COLUMNS, 'hash'].join(',')}\r\n`;
  for (const { text, hash } of records) {
    yield format === 'csv' ? csvLine(text, hash) : `${text.slice(0, -1)},"hash":"${hash}"}\n`;
  }
}

function csvLine(text: string, hash: string): string {
  const fields: Record<string, unknown> = JSON.parse(text);
  const cells = COLUMNS.map((column) => cell(fields[column]));
  return `${[...cells, hash].join(',')}\r\n`;
}

/** A cell of RFC 4180. An apostrophe keeps spreadsheets from running a formula. */
function cell(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
