import { type Config, ConfigError, loadSettings } from '../config/config.ts';
import { SETTING_NAMES } from '../config/settings.ts';
import { findContradictions } from './contradictions.ts';

/** Loads all settings. Throws {@link ConfigError}, also for settings that contradict each other. */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  envFile?: string,
): Config {
  const config = loadSettings(SETTING_NAMES, environment, envFile);
  const contradictions = findContradictions(config);
  if (contradictions.length > 0) throw new ConfigError(contradictions);
  return config;
}
