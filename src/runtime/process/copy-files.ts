import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../../errors.ts';
import type { AgentDirectory } from './agent-directory.ts';

const STDERR_KEPT = 2000;
const NO_SPACE = /no space left on device|disk quota exceeded/i;

/**
 * Copies the workspace and the home of an agent into those of another, which exist and are empty. The
 * databases of Codex are left out: they name files by their old paths, and Codex makes them anew.
 * Throws `copy_failed`, `no_space` or why `signal` was aborted.
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
    if (NO_SPACE.test(output)) throw new AppError('no_space', 'The disk is full.', options);
    throw new AppError('copy_failed', 'The files of the agent could not be copied.', options);
  }
}
