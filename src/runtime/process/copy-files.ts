import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../../errors.ts';
import { DISK_FULL } from '../disk-full.ts';
import type { AgentDirectory } from './agent-directory.ts';

const STDERR_KEPT = 2000;

/**
 * Copies the workspace and the home of an agent into the empty ones of another. Codex's databases are not
 * copied: they contain absolute paths, and Codex rebuilds them. Throws `copy_failed`, `no_space` or the
 * reason of `signal`.
 */
export async function copyFiles(
  from: AgentDirectory,
  to: AgentDirectory,
  signal: AbortSignal,
): Promise<void> {
  await copyTree(from.workspace, to.workspace, signal);
  await copyTree(from.home, to.home, signal);
  for (const name of await fs.readdir(to.codexHome)) {
    if (/\.sqlite/.test(name)) await fs.rm(path.join(to.codexHome, name), { force: true });
  }
}

async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  try {
    const command = ['LC_ALL=C', 'cp', '-a', '--reflink=auto', `${from}/.`, `${to}/`];
    await promisify(execFile)('env', command, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    const output = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
    const options = { cause: new Error(output.slice(-STDERR_KEPT)) };
    if (DISK_FULL.test(output)) throw new AppError('no_space', 'The disk is full.', options);
    throw new AppError('copy_failed', 'The files of the agent could not be copied.', options);
  }
}
