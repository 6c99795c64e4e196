import fs from 'node:fs';
import { parse as parseDotenv } from 'dotenv';
import type { SettingMeta } from './setting.ts';
import { type Config, type SettingName, settingMeta, settingsSchema } from './settings.ts';

export type { Config } from './settings.ts';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1', '[::1]']);

/** Settings are invalid. Each problem names the variable, its value and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration can't be used:\n${problems.map((line) => `  - ${line}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * Loads some of the settings. The environment wins over the `.env` file; an empty value counts as
 * unset. Throws {@link ConfigError} with all problems together.
 */
export function loadSettings<N extends SettingName>(
  names: readonly N[],
  environment: Readonly<Record<string, string | undefined>>,
  envFile?: string,
): Pick<Config, N> {
  const values = { ...readEnvFile(envFile), ...withoutEmpty(environment) };
  const mask = Object.fromEntries(names.map((name) => [name, true])) as Partial<
    Record<SettingName, true>
  >;
  const parsed = settingsSchema.pick(mask).safeParse(values);
  if (!parsed.success) {
    const wrong = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
    throw new ConfigError([...wrong].map((name) => describeProblem(name, values[name])));
  }
  return parsed.data as Pick<Config, N>;
}

/** Whether only this machine can reach an address that the server listens on. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

function describeProblem(name: string, value: string | undefined): string {
  const meta: SettingMeta = settingMeta(name as keyof Config);
  const shown = meta.secret ? 'a secret that is not shown' : `"${value ?? ''}"`;
  return `${name} is ${shown}. Allowed: ${meta.allowed}.`;
}

function readEnvFile(file: string | undefined): Record<string, string> {
  if (file === undefined || !fs.existsSync(file)) return {};
  return withoutEmpty(parseDotenv(fs.readFileSync(file)));
}

function withoutEmpty(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const set = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
  );
  return Object.fromEntries(set);
}
