import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { kill, type Main, type World } from '../e2e/main-process.ts';

const POLL_MS = 100;
const MEBIBYTE = 1024 * 1024;

/** The server under test, which is another process after each restart. */
export class SoakServer {
  readonly #world: Pick<World, 'start'>;
  #main: Promise<Main>;
  #gone = new AbortController();
  #expected = false;
  readonly #onProblem: (problem: string) => void;

  constructor(world: Pick<World, 'start'>, onProblem: (problem: string) => void) {
    this.#world = world;
    this.#onProblem = onProblem;
    this.#main = this.#begin();
  }

  /** Waits until one listens. */
  async url(): Promise<string> {
    return (await this.#main).url;
  }

  async pid(): Promise<number> {
    return (await this.#main).process.pid ?? 0;
  }

  /** Aborted when the present server is about to end. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Ends the server and starts the next one over the same data. */
  async restart(signal: NodeJS.Signals, environment?: Record<string, string>): Promise<void> {
    const old = this.#main;
    this.#main = this.#endOf(old, signal).then(() => {
      this.#gone = new AbortController();
      return this.#begin(environment);
    });
    await this.#main;
  }

  /** Ends the server for good. */
  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#endOf(this.#main, signal);
  }

  // In order, it tells its callers itself; killed, it cannot.
  async #endOf(starting: Promise<Main>, signal: NodeJS.Signals): Promise<void> {
    const main = await starting;
    this.#expected = true;
    const exited = kill(main, signal);
    if (signal === 'SIGKILL') this.#gone.abort();
    // Undefined if it has ended before.
    const status = await exited;
    this.#gone.abort();
    if (signal === 'SIGKILL' || status === undefined || isDeepStrictEqual(status, [0, null]))
      return;
    this.#onProblem(`The server ended with ${JSON.stringify(status)} after ${signal}.`);
  }

  async #begin(environment?: Record<string, string>): Promise<Main> {
    this.#expected = false;
    const main = await this.#world.start(environment);
    main.process.once('exit', (code, signal) => {
      if (this.#expected) return;
      this.#onProblem(`The server ended by itself, with status ${code ?? signal}.`);
      this.#gone.abort();
      this.#gone = new AbortController();
      this.#main = this.#begin(environment);
    });
    return main;
  }
}

/** What a process holds, as the kernel tells it. */
export type Footprint = { descriptors: string[]; children: number; rssMib: number };

/** Polls until a process holds no more than that, for a limited time. */
export async function footprintAtMost(
  pid: number,
  limit: Footprint,
  waitMs: number,
): Promise<Footprint> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const found = await footprintOf(pid);
    const isLow =
      found.descriptors.length <= limit.descriptors.length && found.children <= limit.children;
    if (isLow || Date.now() > deadline) return found;
    await sleep(POLL_MS);
  }
}

/** The most that a process holds within some time. */
export async function highestFootprint(pid: number, waitMs: number): Promise<Footprint> {
  const deadline = Date.now() + waitMs;
  let highest = await footprintOf(pid);
  while (Date.now() < deadline) {
    await sleep(POLL_MS);
    const now = await footprintOf(pid);
    const children = Math.max(highest.children, now.children);
    if (now.descriptors.length > highest.descriptors.length) highest = now;
    highest = { ...highest, children };
  }
  return highest;
}

async function footprintOf(pid: number): Promise<Footprint> {
  const names = await fs.readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(
    names.map((name) => fs.readlink(`/proc/${pid}/fd/${name}`).catch(() => undefined)),
  );
  const children = await fs.readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const status = await fs.readFile(`/proc/${pid}/statm`, 'utf8');
  return {
    descriptors: links.filter((link) => link !== undefined),
    children: children.split(' ').filter(Boolean).length,
    rssMib: Math.round((Number(status.split(' ')[1]) * 4096) / MEBIBYTE),
  };
}
