import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const CACHE = path.join(import.meta.dirname, '../../node_modules/.cache/clients');
const INSTALL_LIMIT_MS = 300_000;
const SHOWN_LINES = 4;

export type InstalledClient =
  /** The directory that holds its node_modules. */
  { available: true; directory: string } | { available: false; reason: string };

/**
 * Installs a client from npm, once for all runs: they are too big to be dependencies. Where that is
 * not possible its tests are skipped, and fail where CI=true.
 */
export async function installClient(name: string, version: string): Promise<InstalledClient> {
  const directory = path.join(CACHE, `${name.replace(/^@/, '').replace('/', '-')}-${version}`);
  try {
    if (!(await exists(directory))) await install(`${name}@${version}`, directory);
    return { available: true, directory };
  } catch (error) {
    const reason = `${name} cannot be installed: ${reasonOf(error)}`;
    if (process.env.CI === 'true') throw new Error(reason, { cause: error });
    process.stderr.write(`[clients] skipped: ${reason}\n`);
    return { available: false, reason };
  }
}

/** Elsewhere first, so that a run that is broken off or happens beside this one does no harm. */
async function install(specifier: string, directory: string): Promise<void> {
  await fs.mkdir(CACHE, { recursive: true });
  const scratch = await fs.mkdtemp(path.join(CACHE, '.installing-'));
  try {
    await fs.writeFile(path.join(scratch, 'package.json'), '{ "private": true }\n');
    const flags = [
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '--ignore-scripts=false',
      '--fetch-retries=1',
    ];
    const options = { cwd: scratch, timeout: INSTALL_LIMIT_MS };
    await execute('npm', ['install', ...flags, specifier], options);
    await fs.rename(scratch, directory).catch(async (error) => {
      if (!(await exists(directory))) throw error;
    });
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string };
  return stderr?.trim().split('\n', SHOWN_LINES).join(' ') || message;
}
