import fs from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../../config/settings.ts';
import { codexVersion, findCodex, identify, sandboxProblem } from './codex-binary.ts';

/** Not a valid agent id. */
const PROBE = '.probe';

type Progress = (line: string) => void;

/** Checks that Codex and its sandbox work, once for each program; concurrent calls share one check. */
export class Preparation {
  readonly #config: Pick<Config, 'CODEX_BIN'>;
  readonly #directory: string;
  readonly #log: Logger;
  readonly #listeners = new Set<Progress>();
  #running: Promise<void> | undefined;
  /** The program that passed: every new agent asks, and a check takes half a second. */
  #passed: string | undefined;

  /** @param options.directory absolute path of the agents' directories */
  constructor(options: { config: Pick<Config, 'CODEX_BIN'>; directory: string; log: Logger }) {
    this.#config = options.config;
    this.#directory = options.directory;
    this.#log = options.log;
  }

  /** Throws `codex_missing`; only reports a sandbox that does not work. */
  async run(onProgress: Progress): Promise<void> {
    this.#listeners.add(onProgress);
    this.#running ??= this.#check().finally(() => {
      this.#running = undefined;
    });
    try {
      await this.#running;
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  async #check(): Promise<void> {
    const codex = findCodex(this.#config.CODEX_BIN);
    const identity = identify(codex);
    if (this.#passed === identity) return;
    this.#report(`${await codexVersion(codex)} at ${codex}`);
    const problem = await this.#probeSandbox(codex);
    if (problem === undefined) {
      this.#passed = identity;
      return;
    }
    this.#log.warn(
      { problem },
      "Codex's sandbox does not work on this machine: commands of agents will fail",
    );
    this.#report(
      `Codex's sandbox does not work on this machine, so commands of agents will fail: ${problem}`,
    );
  }

  async #probeSandbox(codex: string): Promise<string | undefined> {
    // A fixed name, so that a directory of a killed server is reused.
    const home = path.join(this.#directory, PROBE);
    await fs.mkdir(home, { recursive: true, mode: 0o700 });
    try {
      return await sandboxProblem(codex, home);
    } finally {
      await fs.rm(home, { recursive: true, force: true });
    }
  }

  #report(line: string): void {
    for (const listener of this.#listeners) listener(line);
  }
}
