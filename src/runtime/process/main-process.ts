import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';
import type { AgentDirectory } from './agent-directory.ts';
import type { ProcessId } from './agent-processes.ts';
import { openLog, tailLog } from './main-log.ts';
import { readProcess } from './process-table.ts';
import { exitStatus } from './spawn-child.ts';

const POLL_MS = 10;
const NICENESS = 5;
const OOM_SCORE = '500';

export type MainProcess = {
  id: ProcessId;
  /** Exit code. Never rejects. */
  exited: Promise<number>;
};

/** Starts Codex in its own session and with its output in a log, so that it outlives the server. */
export async function spawnMain(
  directory: AgentDirectory,
  codex: string,
  env: Record<string, string>,
): Promise<MainProcess> {
  const log = await openLog(directory.log);
  try {
    const command = ['app-server', '--listen', `unix://${directory.socket}`];
    const child = spawn(codex, command, {
      cwd: directory.workspace,
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const exited = once(child, 'exit').then(([code, signal]) => exitStatus(code, signal));
    exited.catch(() => undefined);
    await hasSpawned(child, codex);
    child.unref();
    const info = await readProcess(child.pid ?? 0);
    if (!info) throw failedToStart(await tailLog(directory.log, 5));
    await yieldToServer(info.pid);
    return { id: { pid: info.pid, birth: info.birth }, exited };
  } finally {
    await log.close();
  }
}

/** Waits until Codex listens. Throws `start_timeout`, or `codex_failed` if Codex exits. */
export async function waitForSocket(
  directory: AgentDirectory,
  options: { isAlive: () => Promise<boolean>; seconds: number },
): Promise<void> {
  const deadline = performance.now() + options.seconds * 1000;
  // Codex creates the link when it listens; that of an earlier process was removed.
  while (!(await exists(directory.socket))) {
    if (!(await options.isAlive())) throw failedToStart(await tailLog(directory.log, 5));
    if (performance.now() > deadline) {
      throw new AppError(
        'start_timeout',
        `Codex did not listen within ${options.seconds} seconds.`,
      );
    }
    await sleep(POLL_MS);
  }
}

async function hasSpawned(child: ChildProcess, codex: string): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new AppError('codex_missing', `${codex} cannot be started; set CODEX_BIN.`, { cause });
  }
}

/** Without cgroups, a lower priority and a higher OOM score protect the server from agents. */
async function yieldToServer(pid: number): Promise<void> {
  try {
    os.setPriority(pid, NICENESS);
    await fs.writeFile(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
  } catch {
    // The process has exited, or the system has no such file.
  }
}

function failedToStart(log: string): AppError {
  return new AppError('codex_failed', `Codex exited during its start: ${log}`);
}

async function exists(file: string): Promise<boolean> {
  return await fs.stat(file).then(
    () => true,
    () => false,
  );
}
