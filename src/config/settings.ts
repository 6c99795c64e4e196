import { z } from 'zod';
import { MEBIBYTE, metaOf, type SettingMeta } from './setting.ts';
import { agentsSettings } from './settings/agents.ts';
import { auditSettings } from './settings/audit.ts';
import { budgetsSettings } from './settings/budgets.ts';
import { callersSettings } from './settings/callers.ts';
import { containersSettings } from './settings/containers.ts';
import { credentialsSettings } from './settings/credentials.ts';
import { egressSettings } from './settings/egress.ts';
import { limitsSettings } from './settings/limits.ts';
import { loggingSettings } from './settings/logging.ts';
import { modelSettings } from './settings/model.ts';
import { serverSettings } from './settings/server.ts';

/** Every variable that the server reads, with its schema, default and description. */
export const settingsSchema = z.object({
  ...modelSettings,
  ...credentialsSettings,
  ...serverSettings,
  ...callersSettings,
  ...agentsSettings,
  ...containersSettings,
  ...egressSettings,
  ...limitsSettings,
  ...budgetsSettings,
  ...auditSettings,
  ...loggingSettings,
});

export type Config = z.output<typeof settingsSchema>;
export type SettingName = keyof Config;
export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];

export function settingMeta(name: SettingName): SettingMeta {
  const meta = metaOf(settingsSchema.shape[name]);
  if (!meta) throw new Error(`setting ${name} has no description`);
  return meta;
}

/** The default in documents; undefined if a setting has none. */
export function shownDefault(name: SettingName): string | undefined {
  const { shownDefault: shown } = settingMeta(name);
  if (shown !== undefined) return shown;
  const value: unknown = settingsSchema.shape[name].safeParse(undefined).data;
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined;
  return name === 'CONTAINER_MEMORY_LIMIT' ? `${Number(value) / MEBIBYTE}m` : String(value);
}
