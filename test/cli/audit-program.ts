import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { nodeEnvironment } from '../setup/node-programs.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const execute = promisify(execFile);

export type Ended = { code: number; stdout: string; stderr: string };

/** Runs `audit` of the command line over what a server kept in a directory. */
export async function run(directory: string, ...args: string[]): Promise<Ended> {
  const env = { ...nodeEnvironment(), HOME: directory, DATA_DIR: directory };
  try {
    const command = [MAIN, 'audit', ...args];
    const { stdout, stderr } = await execute(process.execPath, command, { env, cwd: directory });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}
