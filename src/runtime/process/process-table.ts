import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { hasCode } from './system-error.ts';

export type ProcessInfo = {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** `frozen` by SIGSTOP; `dead` for a zombie. */
  readonly state: 'alive' | 'frozen' | 'dead';
  /** Start time, which distinguishes processes with the same pid. */
  readonly birth: string;
  /** False for kernel threads and exited processes, which have no environment either. */
  readonly hasMemory: boolean;
};

const ON_LINUX = process.platform === 'linux';
/** More than any line of `stat`, and than most environments. */
const CHUNK_BYTES = 4000;
const line = Buffer.alloc(CHUNK_BYTES);
const file = { open: promisify(fs.open), read: promisify(fs.read), close: promisify(fs.close) };
let lastBoot: string | undefined;
const PS_COLUMNS = 'pid=,ppid=,pgid=,stat=,lstart=';

/** Undefined for a missing process. */
export async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  return ON_LINUX ? readFromProc(pid) : (await askPs(['-p', String(pid)]))[0];
}

export async function listProcesses(): Promise<ProcessInfo[]> {
  if (!ON_LINUX) return await askPs(['-ax']);
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readFromProc(Number(pid))).filter((info) => info !== undefined);
}

/** Whether the initial environment has a variable; false where the system is not Linux. */
export async function hasVariable(pid: number, variable: string): Promise<boolean> {
  return (await readVariables(pid)).includes(variable);
}

/** The initial environment, as `NAME=value`; empty where the system is not Linux. */
export async function readVariables(pid: number): Promise<string[]> {
  if (!ON_LINUX) return [];
  try {
    return (await readWhole(`/proc/${pid}/environ`)).split('\0');
  } catch {
    return []; // The process has exited, or belongs to another user.
  }
}

/** Sends a signal, unless the process has exited and its pid may be reused. */
export async function signalProcess(target: ProcessInfo, signal: NodeJS.Signals): Promise<void> {
  const current = await readProcess(target.pid);
  if (current?.birth !== target.birth || current.state === 'dead') return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Synchronous, since /proc never blocks and this runs often for all processes. */
function readFromProc(pid: number): ProcessInfo | undefined {
  const boot = bootId();
  try {
    const stat = readLine(`/proc/${pid}/stat`);
    // The program name is in parentheses and may contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent, group] = fields;
    return {
      pid,
      parent: Number(parent),
      group: Number(group),
      state: stateOf(state),
      birth: `${boot}/${fields[19]}`,
      hasMemory: fields[20] !== '0',
    };
  } catch {
    return undefined;
  }
}

/** The start time is relative to the boot, so only both are unique. */
function bootId(): string {
  lastBoot ??= readLine('/proc/sys/kernel/random/boot_id').trim();
  return lastBoot;
}

function readLine(path: string): string {
  const descriptor = fs.openSync(path, 'r');
  try {
    return line.toString('latin1', 0, fs.readSync(descriptor, line));
  } finally {
    fs.closeSync(descriptor);
  }
}

/** `readFile` would allocate 64 KB for each file of unknown size. */
async function readWhole(path: string): Promise<string> {
  const descriptor = await file.open(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return Buffer.concat(chunks).toString();
      chunks.push(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close(descriptor);
  }
}

async function askPs(selection: readonly string[]): Promise<ProcessInfo[]> {
  try {
    const { stdout } = await promisify(execFile)('ps', [...selection, '-o', PS_COLUMNS], {
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(parsePsLine);
  } catch {
    return []; // ps fails when it selects nothing.
  }
}

function parsePsLine(line: string): ProcessInfo {
  const [pid, parent, group, state = '', ...birth] = line.trim().split(/\s+/);
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    state: stateOf(state),
    birth: birth.join(' '),
    hasMemory: true,
  };
}

function stateOf(letters: string): ProcessInfo['state'] {
  if (letters.startsWith('T')) return 'frozen';
  return /^[ZX]/.test(letters) ? 'dead' : 'alive';
}
