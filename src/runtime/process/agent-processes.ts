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

/** Names one process for ever, although pids are used again. */
export type ProcessId = Pick<ProcessInfo, 'pid' | 'birth'>;

/** The processes of one agent: its main process and all that carry the agent's variable. */
export class AgentProcesses {
  readonly #variable: string;

  /** @param variable `NAME=value` that every process of the agent inherits */
  constructor(variable: string) {
    this.#variable = variable;
  }

  /** Undefined if the main process has ended, even if its pid lives on. */
  async main(id: ProcessId | undefined): Promise<ProcessInfo | undefined> {
    const found = id && (await readProcess(id.pid));
    return found && found.birth === id.birth && found.state !== 'dead' ? found : undefined;
  }

  /**
   * Everything that runs for the agent: what carries its variable, the group of the main process,
   * and all descendants of those. A daemon that left its session still carries the variable.
   */
  async members(main: ProcessInfo | undefined): Promise<ProcessInfo[]> {
    const all = (await listProcesses()).filter((each) => each.pid !== process.pid);
    const isMember = (each: ProcessInfo) =>
      (main !== undefined && each.group === main.pid) ||
      (each.hasMemory && hasVariable(each.pid, this.#variable));
    const found = await Promise.all(all.map(isMember));
    const members = new Set(all.filter((_, index) => found[index]));
    const pids = new Set([...members].map((each) => each.pid));
    let grown = true;
    while (grown) {
      const children = all.filter((each) => pids.has(each.parent) && !pids.has(each.pid));
      for (const child of children) {
        members.add(child);
        pids.add(child.pid);
      }
      grown = children.length > 0;
    }
    return [...members].filter((each) => each.state !== 'dead');
  }

  /** Stops the clocks of all processes, also of those that are forked meanwhile. */
  async freeze(main: ProcessInfo): Promise<void> {
    await this.#repeat(main, 'SIGSTOP', (each) => each.state === 'alive');
  }

  async thaw(main: ProcessInfo): Promise<void> {
    await this.#repeat(main, 'SIGCONT', (each) => each.state === 'frozen');
  }

  /** Lets the main process end within the grace time, then kills whatever is left. */
  async end(main: ProcessInfo, graceMs: number): Promise<void> {
    const family = await this.members(main);
    await signalProcess(main, 'SIGTERM');
    await this.thaw(main);
    await this.#waitForEnd(main, graceMs);
    await this.#kill(main, family);
  }

  /** Kills all processes of the agent. */
  async killAll(main: ProcessInfo | undefined): Promise<void> {
    await this.#kill(main, main ? await this.members(main) : []);
  }

  /** The main process goes first, so that whoever watches another one sees that the container ended. */
  async #kill(main: ProcessInfo | undefined, family: readonly ProcessInfo[]): Promise<void> {
    if (main) {
      await signalProcess(main, 'SIGKILL');
      await this.#waitForEnd(main, KILL_LIMIT_MS);
    }
    await Promise.all(family.map((each) => signalProcess(each, 'SIGKILL')));
    await this.#repeat(undefined, 'SIGKILL', () => true);
  }

  async #waitForEnd(main: ProcessInfo, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while ((await this.main(main)) && performance.now() < deadline) await sleep(POLL_MS);
  }

  async #repeat(
    main: ProcessInfo | undefined,
    signal: NodeJS.Signals,
    needsIt: (each: ProcessInfo) => boolean,
  ): Promise<void> {
    const deadline = performance.now() + KILL_LIMIT_MS;
    for (;;) {
      const targets = (await this.members(main)).filter(needsIt);
      if (targets.length === 0 || performance.now() > deadline) return;
      await Promise.all(targets.map((each) => signalProcess(each, signal)));
      await sleep(1);
    }
  }
}
