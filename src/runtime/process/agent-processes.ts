import { setTimeout as sleep } from 'node:timers/promises';
import {
  hasVariable,
  listProcesses,
  type ProcessInfo,
  readProcess,
  signalProcess,
} from './process-table.ts';

const POLL_MS = 10;
const KILL_LIMIT_MS = 10_000;

/** Identifies a process, although pids are reused. */
export type ProcessId = Pick<ProcessInfo, 'pid' | 'birth'>;

/** The processes of one agent: its main process and all with its environment variable. */
export class AgentProcesses {
  readonly #variable: string;

  /** @param variable `NAME=value` that every process of the agent inherits */
  constructor(variable: string) {
    this.#variable = variable;
  }

  /** Undefined if the main process has exited, even if its pid is reused. */
  async main(id: ProcessId | undefined): Promise<ProcessInfo | undefined> {
    const found = id && (await readProcess(id.pid));
    return found && found.birth === id.birth && found.state !== 'dead' ? found : undefined;
  }

  /**
   * All processes with the variable of the agent, the group of the main process, and all descendants. A
   * daemon in another session still has the variable.
   */
  async members(main: ProcessInfo | undefined): Promise<ProcessInfo[]> {
    const all = (await listProcesses()).filter((each) => each.pid !== process.pid);
    const isMember = (each: ProcessInfo) =>
      (main !== undefined && each.group === main.pid) ||
      (each.hasMemory && hasVariable(each.pid, this.#variable));
    const found = await Promise.all(all.map(isMember));
    const members = new Set(all.filter((_, index) => found[index]));
    const pids = new Set([...members].map((each) => each.pid));
    let hasGrown = true;
    while (hasGrown) {
      const children = all.filter((each) => pids.has(each.parent) && !pids.has(each.pid));
      for (const child of children) {
        members.add(child);
        pids.add(child.pid);
      }
      hasGrown = children.length > 0;
    }
    return [...members].filter((each) => each.state !== 'dead');
  }

  /** Freezes all processes, including those forked meanwhile. */
  async freeze(main: ProcessInfo): Promise<void> {
    await this.#repeat(main, 'SIGSTOP', (each) => each.state === 'alive');
  }

  async thaw(main: ProcessInfo): Promise<void> {
    await this.#repeat(main, 'SIGCONT', (each) => each.state === 'frozen');
  }

  /** Terminates the main process, and kills all processes after the grace time. */
  async end(main: ProcessInfo, graceMs: number): Promise<void> {
    const members = await this.members(main);
    await signalProcess(main, 'SIGTERM');
    await this.thaw(main);
    await this.#waitForEnd(main, graceMs);
    await this.#kill(main, members);
  }

  async killAll(main: ProcessInfo | undefined): Promise<void> {
    await this.#kill(main, main ? await this.members(main) : []);
  }

  /** Kills the main process first: watchers of other processes then see that the container has stopped. */
  async #kill(main: ProcessInfo | undefined, members: readonly ProcessInfo[]): Promise<void> {
    if (main) {
      await signalProcess(main, 'SIGKILL');
      await this.#waitForEnd(main, KILL_LIMIT_MS);
    }
    await Promise.all(members.map((each) => signalProcess(each, 'SIGKILL')));
    await this.#repeat(undefined, 'SIGKILL', () => true);
  }

  async #waitForEnd(main: ProcessInfo, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while ((await this.main(main)) && performance.now() < deadline) await sleep(POLL_MS);
  }

  async #repeat(
    main: ProcessInfo | undefined,
    signal: NodeJS.Signals,
    isTarget: (each: ProcessInfo) => boolean,
  ): Promise<void> {
    const deadline = performance.now() + KILL_LIMIT_MS;
    for (;;) {
      const targets = (await this.members(main)).filter(isTarget);
      if (targets.length === 0 || performance.now() > deadline) return;
      await Promise.all(targets.map((each) => signalProcess(each, signal)));
      await sleep(1);
    }
  }
}
