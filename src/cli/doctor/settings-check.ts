import fs from 'node:fs';
import { type Config, ConfigError } from '../../config/config.ts';
import { loadConfig } from '../../server/load-config.ts';
import { type Check, ok, problem } from './check.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of a server that is started here. All other checks require them. */
export function checkSettings(
  environment: Environment,
  envFile: string,
): { checks: Check[]; config?: Config } {
  try {
    const config = loadConfig(environment, envFile);
    const source = fs.existsSync(envFile) ? `the environment and ${envFile}` : 'the environment';
    return { checks: [ok('Settings', `valid, from ${source}`)], config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const advice = 'Correct it; docs/configuration.md lists all settings.';
    return { checks: error.problems.map((line) => problem('Settings', line, advice)) };
  }
}
