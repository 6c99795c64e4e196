import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { connectAppServer } from '../../codex/app-server-client.ts';
import type { CodexClient } from '../../codex/codex-client.ts';
import { type CodexSilent, isSilence } from '../../codex/connection/heartbeat.ts';
import { AppError } from '../../errors.ts';
import { TunnelKeeper } from '../../gateway/tunnel-keeper.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { Workspace } from '../../workspaces/workspace.ts';
import { containerAfterBreak } from './container-after-break.ts';

const CONNECT_RETRY_MS = 25;

export type ContainerLinkOptions = {
  runtime: ContainerRuntime;
  /** What the runtime knows the container by. */
  agentId: string;
  startTimeoutMs: number;
  /** How long Codex may give no sign of life while it is needed. */
  answerTimeoutMs: number;
  version: string;
  log: Logger;
};

/** The live connections of the server to one running container, whosever it is. They end together. */
export class ContainerLink {
  readonly codex: CodexClient;
  readonly workspace: Workspace;
  readonly #tunnel: TunnelKeeper;

  private constructor(codex: CodexClient, workspace: Workspace, tunnel: TunnelKeeper) {
    this.codex = codex;
    this.workspace = workspace;
    this.#tunnel = tunnel;
    // A tunnel that is kept open would go over to the next container of the agent.
    void codex.closed.then(() => this.close());
  }

  /**
   * Connects to a container that runs or is about to. Throws `start_timeout`, `container_lost`, or
   * `codex_failed` with `CodexSilent` as its cause.
   */
  static async open(options: ContainerLinkOptions): Promise<ContainerLink> {
    const { runtime, agentId, log } = options;
    const parts = [
      connectCodex(options),
      Workspace.open(runtime, agentId, log),
      TunnelKeeper.open({ runtime, agentId, log }),
    ] as const;
    try {
      return new ContainerLink(...(await Promise.all(parts)));
    } catch (error) {
      for (const part of parts) part.then((opened) => opened.close()).catch(() => undefined);
      throw await explainFailure(options, error);
    }
  }

  /** Says who takes the connections that leave the container; until then they wait. */
  serve(onConnection: (socket: Duplex) => void): void {
    this.#tunnel.serve(onConnection);
  }

  async close(): Promise<void> {
    this.#tunnel.close();
    this.workspace.close();
    await this.codex.close();
  }
}

// The socket of a container that has just started appears a moment later.
async function connectCodex(options: ContainerLinkOptions): Promise<CodexClient> {
  const deadline = performance.now() + options.startTimeoutMs;
  for (;;) {
    try {
      return await connectOnce(options);
    } catch (error) {
      await giveUpIfHopeless(options, error, deadline);
      await sleep(CONNECT_RETRY_MS);
    }
  }
}

async function giveUpIfHopeless(
  options: ContainerLinkOptions,
  error: unknown,
  deadline: number,
): Promise<void> {
  if (error instanceof AppError && error.code === 'codex_incompatible') throw error;
  const container = await options.runtime.inspect(options.agentId);
  if (container?.state !== 'running') throw await explainDeath(options, error);
  if (isSilence(error)) throw silent(error);
  if (performance.now() > deadline) throw startTimeout(options, error);
}

async function connectOnce(options: ContainerLinkOptions): Promise<CodexClient> {
  const { runtime, agentId, log, startTimeoutMs, answerTimeoutMs, version } = options;
  const { appServerProxy, skills } = runtime.layout(agentId);
  const process = await runtime.exec(agentId, appServerProxy);
  process.stderr.resume();
  try {
    const codex = await connectAppServer({
      stream: process.stdio,
      log,
      requestTimeoutMs: startTimeoutMs,
      silenceMs: answerTimeoutMs,
      clientVersion: version,
    });
    if (skills !== undefined) await codex.addSkills(skills);
    return codex;
  } catch (error) {
    process.stdio.destroy();
    throw error;
  }
}

/** Which of the connections notices first that the container has ended is a matter of luck. */
async function explainFailure(options: ContainerLinkOptions, error: unknown): Promise<unknown> {
  if (!(error instanceof AppError && error.code === 'engine_failed')) return error;
  try {
    const container = await containerAfterBreak(options.runtime, options.agentId);
    return container?.state === 'running' ? error : await explainDeath(options, error);
  } catch {
    return error;
  }
}

async function explainDeath(
  { runtime, agentId }: ContainerLinkOptions,
  cause: unknown,
): Promise<AppError> {
  const logs = await runtime.logs(agentId, { tail: 5 }).catch(() => '');
  const said = logs.trim() ? ` It said: ${logs.trim().slice(-500)}` : '';
  return new AppError('container_lost', `The agent ended while it started.${said}`, { cause });
}

function silent(error: Error & { cause: CodexSilent }): AppError {
  const message = `${error.cause.message} The container of the agent was started anew.`;
  return new AppError('codex_failed', message, { cause: error.cause });
}

function startTimeout({ startTimeoutMs }: ContainerLinkOptions, cause: unknown): AppError {
  const seconds = Math.round(startTimeoutMs / 1000);
  return new AppError('start_timeout', `The agent did not answer within ${seconds} s.`, { cause });
}
