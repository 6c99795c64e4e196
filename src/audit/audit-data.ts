import type { Redactor } from './redaction/redactor.ts';
import { beginningInWords } from './redaction/whole-words.ts';

/** Limit of the data of one record, as JSON. */
const DATA_CHARACTERS = 8192;
const TEXT_CHARACTERS = 1024;
/** Beginning of a text that is searched for secrets; the rest is never kept. */
const SEARCHED_CHARACTERS = 4096;
const NAME_CHARACTERS = 100;
const LIST_ENTRIES = 50;
const DEPTH = 6;

type Data = Readonly<Record<string, unknown>>;

/** Bounds data and redacts its secrets. */
export function auditData(data: Data, redactor: Redactor): Data {
  const searched = bounded(data, 0, (text) => beginningInWords(text, SEARCHED_CHARACTERS));
  const small = bounded(redactor.json(searched), 0, (text) => cut(text, TEXT_CHARACTERS)) as Data;
  const json = JSON.stringify(small);
  if (json.length <= DATA_CHARACTERS) return small;
  return { cut: true, characters: json.length, text: cut(json, DATA_CHARACTERS / 2) };
}

function bounded(value: unknown, depth: number, shorten: (text: string) => string): unknown {
  if (typeof value === 'string') return shorten(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return isPlain(value) ? value : null;
  if (depth >= DEPTH) return '…';
  const within = (part: unknown) => bounded(part, depth + 1, shorten);
  if (Array.isArray(value)) {
    const more = value.length - LIST_ENTRIES;
    const kept = value.slice(0, LIST_ENTRIES).map(within);
    return more > 0 ? [...kept, `… ${more} more`] : kept;
  }
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  const more = entries.length - LIST_ENTRIES;
  const kept = entries
    .slice(0, LIST_ENTRIES)
    .map(([name, member]) => [cut(name, NAME_CHARACTERS), within(member)]);
  return Object.fromEntries(more > 0 ? [...kept, ['…', more]] : kept);
}

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function cut(text: string, characters: number): string {
  if (text.length <= characters) return text.toWellFormed();
  return `${text.slice(0, characters).toWellFormed()}… (${text.length} characters)`;
}
