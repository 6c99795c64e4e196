import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/config.ts';

const FILE = 'auth.json';

type AuthFileConfig = Pick<Config, 'OAUTH_TOKEN_STORAGE_PATH' | 'CODEX_AUTH_DIR'>;

/**
 * Paths of an auth.json in the order of preference. A path from the settings is the only one, so that
 * no other login is used by mistake.
 */
function candidatePaths(config: AuthFileConfig, homes: readonly string[]): string[] {
  const { OAUTH_TOKEN_STORAGE_PATH: file, CODEX_AUTH_DIR: directory } = config;
  if (file !== undefined) return [file];
  if (directory !== undefined) return [path.join(directory, FILE)];
  return homes.map((home) => path.join(home, '.codex', FILE));
}

/** The first path that exists; the first of all if none does. */
export function findAuthFile(config: AuthFileConfig, homes: readonly string[]): string {
  const paths = candidatePaths(config, homes);
  return paths.find((file) => fs.existsSync(file)) ?? paths[0] ?? FILE;
}
