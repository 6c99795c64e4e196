import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import readline from 'node:readline';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerProcess, ContainerRuntime } from '../runtime/container-runtime.ts';
import { agentScript } from './agent-script.ts';

const SCRIPT = ['unfinished-push.sh', 'commit-trees.sh', 'commits.sh', 'tidy.sh', 'workspace.sh']
  .map(agentScript)
  .join('\n');
const STDERR_KEPT = 2_000;
/** Far longer than any answer. Other processes of the container can write to the pipe of the shell. */
const LINE_BYTES = 64 * 1024;
const FAILED = 'failed';

type ShellOptions = {
  runtime: ContainerRuntime;
  agentId: AgentId;
  env: Record<string, string>;
  answerLimitMs: number;
  log: Logger;
};

/** A process of agent-image/workspace.sh in the container of an agent. */
export class WorkspaceShell {
  readonly #process: ContainerProcess;
  readonly #answers: AsyncIterator<string>;
  /** Resolves when the connection is closed; readline does not notice a destroyed stream. */
  readonly #ended: Promise<undefined>;
  readonly #answerLimitMs: number;
  #stderr = '';

  private constructor(process: ContainerProcess, options: ShellOptions) {
    const { agentId, answerLimitMs, log } = options;
    this.#process = process;
    this.#answerLimitMs = answerLimitMs;
    this.#answers = readline.createInterface({ input: process.stdio })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => process.stdio.once('close', () => resolve(undefined)));
    endAtLongLine(process.stdio);
    process.stderr.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-STDERR_KEPT);
    });
    process.stdio.on('error', (error) =>
      log.debug({ err: error, agentId }, 'Workspace shell ended'),
    );
  }

  static async open(options: ShellOptions): Promise<WorkspaceShell> {
    const { runtime, agentId, env } = options;
    return new WorkspaceShell(await runtime.exec(agentId, ['sh', '-c', SCRIPT], { env }), options);
  }

  get open(): boolean {
    return this.#process.stdio.readable;
  }

  /** Standard error of the last command. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  /**
   * Returns the answer; undefined if the shell ended or timed out, or if another process answered. The
   * caller must wait for one command before the next.
   */
  async run(command: string): Promise<string | undefined> {
    if (!this.open) return undefined;
    const timer = setTimeout(() => this.close(), this.#answerLimitMs);
    try {
      return await this.#request(command);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#process.stdio.destroy();
  }

  async #request(command: string): Promise<string | undefined> {
    this.#stderr = '';
    const word = randomBytes(16).toString('hex');
    if (this.#process.stdio.write(`${word} ${command}\n`) === false) {
      await Promise.race([once(this.#process.stdio, 'drain'), this.#process.exited, this.#ended]);
    }
    const line = await Promise.race([this.#answers.next(), this.#ended]);
    if (line === undefined || line.done) return undefined;
    if (line.value === FAILED) return FAILED;
    if (line.value.endsWith(` ${word}`)) return line.value.slice(0, -word.length - 1);
    this.close();
    return undefined;
  }
}

function endAtLongLine(stream: Readable): void {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf('\n');
    bytes = end < 0 ? bytes + chunk.length : chunk.length - end - 1;
    if (bytes > LINE_BYTES)
      stream.destroy(new Error('The workspace shell sent a line that is too long.'));
  });
}
