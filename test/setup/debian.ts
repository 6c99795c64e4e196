import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs a program to its end; a failure carries what it wrote. */
export async function run(program: string, args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await execute(program, args, { env, maxBuffer: OUTPUT_BYTES });
}

/** Installs packages of Debian unless the program they are for is there. */
export async function ensureInstalled(
  program: string,
  packages: string[],
  log: (line: string) => void,
): Promise<void> {
  if (isInstalled(program)) return;
  log(`apt-get installs ${packages.join(' and ')}`);
  await run('apt-get', ['update']);
  await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages]);
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories.some((directory) => fs.existsSync(path.join(directory, program)));
}
