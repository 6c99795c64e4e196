import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';

/** The sections of docs/configuration.md and .env.example, in order. */
export const SETTING_GROUPS = [
  'Model',
  'Credentials',
  'Server',
  'Callers',
  'Agents',
  'Containers',
  'Egress',
  'Limits',
  'Budgets',
  'Audit',
  'Logging',
] as const;

export type SettingMeta = {
  group: (typeof SETTING_GROUPS)[number];
  description: string;
  /** The allowed values, for errors and documents. */
  allowed: string;
  /** The default in documents, if the real one depends on the machine. */
  shownDefault?: string;
  secret?: boolean;
};

const metas = z.registry<SettingMeta>();

export const MEBIBYTE = 1024 * 1024;
export const DAY_SECONDS = 86_400;
export const SECONDS_MAX = 365 * DAY_SECONDS;
const SIZE_UNITS: Record<string, number> = { b: 1, k: 1024, m: MEBIBYTE, g: 1024 * MEBIBYTE };
const SMALLEST_SIZE = 64 * MEBIBYTE;

/** Undefined for a schema that is not a setting. */
export function metaOf(schema: z.ZodType): SettingMeta | undefined {
  return metas.get(schema);
}

export function setting<T extends z.ZodType>(schema: T, meta: SettingMeta): T {
  metas.add(schema, meta);
  return schema;
}

export function wholeNumber(min: number, max: number) {
  return z.coerce.number().int().min(min).max(max);
}

export function amount() {
  return z.coerce.number().min(0).max(1e9);
}

export function httpUrl() {
  return z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));
}

export function directory() {
  return z
    .string()
    .min(1)
    .transform((text) => text.replace(/^~(?=\/|$)/, os.homedir()));
}

export function absoluteDirectory() {
  return directory()
    .refine((text) => path.isAbsolute(text))
    .transform((text) => path.resolve(text));
}

/** Directories, none within another, in the form of `PATH`. */
export function directoryRoots() {
  return z
    .string()
    .transform((text) => text.split(path.delimiter).filter((part) => part.trim() !== ''))
    .pipe(z.array(absoluteDirectory()))
    .refine((roots) => roots.every((root) => root !== path.parse(root).root))
    .refine((roots) =>
      roots.every((root) => !roots.some((other) => other !== root && isBelow(other, root))),
    );
}

function isBelow(root: string, inner: string): boolean {
  return inner.startsWith(`${root}${path.sep}`);
}

export function flag() {
  return z.stringbool();
}

export function list() {
  return z.string().transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
}

export function memorySize() {
  return size().refine((bytes) => bytes >= SMALLEST_SIZE);
}

export function diskSize() {
  return size().refine((bytes) => bytes === 0 || bytes >= SMALLEST_SIZE);
}

export function size() {
  return z
    .string()
    .regex(/^\d+[bkmg]?$/i)
    .transform((text) => {
      const unit = /[bkmg]$/i.exec(text)?.[0].toLowerCase() ?? 'b';
      return Number.parseInt(text, 10) * (SIZE_UNITS[unit] ?? 1);
    });
}
