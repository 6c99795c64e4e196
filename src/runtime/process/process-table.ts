import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import { promisify } from 'node:util';
import { hasCode } from './system-error.ts';

/** A process as the kernel knows it. */
export type ProcessInfo = {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** `frozen` by SIGSTOP; `dead` while nobody has asked for its exit status. */
  readonly state: 'alive' | 'frozen' | 'dead';
  /** When it started, so that a later process with the same pid is told apart. */
  readonly birth: string;
};

const ON_LINUX = process.platform === 'linux';
const PS_COLUMNS = 'pid=,ppid=,pgid=,stat=,lstart=';

/** Undefined if there is no such process. */
export async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  return ON_LINUX ? readFromProc(pid, await bootId()) : (await askPs(['-p', String(pid)]))[0];
}

export async function listProcesses(): Promise<ProcessInfo[]> {
  if (!ON_LINUX) return await askPs(['-ax']);
  const boot = await bootId();
  const pids = (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => readFromProc(pid, boot)));
  return found.filter((info) => info !== undefined);
}

/** Whether a process began with this variable. Only Linux shows that; elsewhere it is false. */
export async function hasVariable(pid: number, variable: string): Promise<boolean> {
  return (await readVariables(pid)).includes(variable);
}

/** The variables, as `NAME=value`, that a process began with. Only Linux shows them. */
export async function readVariables(pid: number): Promise<string[]> {
  if (!ON_LINUX) return [];
  try {
    return (await fs.readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
  } catch {
    return []; // It has ended, or it belongs to another user.
  }
}

/** Sends a signal unless the process has ended, even if its pid was given to another one. */
export async function signalProcess(target: ProcessInfo, signal: NodeJS.Signals): Promise<void> {
  const current = await readProcess(target.pid);
  if (current?.birth !== target.birth || current.state === 'dead') return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

async function readFromProc(pid: number, boot: string): Promise<ProcessInfo | undefined> {
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8');
    // The name of the program is in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent, group] = fields;
    return {
      pid,
      parent: Number(parent),
      group: Number(group),
      state: stateOf(state),
      birth: `${boot}/${fields[19]}`,
    };
  } catch {
    return undefined;
  }
}

/** The start time counts from the boot, so only both together are unique. */
async function bootId(): Promise<string> {
  return (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
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
  };
}

function stateOf(letters: string): ProcessInfo['state'] {
  if (letters.startsWith('T')) return 'frozen';
  return /^[ZX]/.test(letters) ? 'dead' : 'alive';
}
