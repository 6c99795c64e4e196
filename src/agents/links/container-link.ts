import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { connectAppServer } from '../../codex/app-server-client.ts';
import type { CodexClient } from '../../codex/codex-client.ts';
import { type CodexSilent, isSilence } from '../../codex/connection/heartbeat.ts';
import { AppError } from '../../errors.ts';
import { TunnelKeeper } from '../../gateway/tunnel-keeper.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { Workspace } from '../../workspaces/workspace.ts';
import { containerAfterBreak } from './container-after-break.ts';

const CONNECT_RETRY_MS = 25;

export type ContainerLinkOptions = {
  runtime: ContainerRuntime;
  /** Id of the container in the runtime. */
  agentId: AgentId;
  startTimeoutMs: number;
  /** Limit without a byte from Codex while an answer is due. */
  answerTimeoutMs: number;
  version: string;
  log: Logger;
};

/** The connections of the server to one running container: Codex, workspace shell and tunnel. They end together. */
export class ContainerLink {
  readonly codex: CodexClient;
  readonly workspace: Workspace;
  readonly #tunnel: TunnelKeeper;

  private constructor(codex: CodexClient, workspace: Workspace, tunnel: TunnelKeeper) {
    this.codex = codex;
    this.workspace = workspace;
    this.#tunnel = tunnel;
    // A tunnel that stays open would reconnect to the next container of the agent.
    void codex.closed.then(() => this.close());
  }

  /**
   * Connects to a running or starting container. Throws `start_timeout`, `container_lost`, or
   * `codex_failed` with the cause `CodexSilent`.
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

  /** Sets the handler of the container's connections to the gateway, which wait until then. */
  serve(onConnection: (socket: Duplex) => void): void {
    this.#tunnel.serve(onConnection);
  }

  async close(): Promise<void> {
    this.#tunnel.close();
    this.workspace.close();
    await this.codex.close();
  }
}

// The socket of a new container appears after a moment.
async function connectCodex(options: ContainerLinkOptions): Promise<CodexClient> {
  const deadline = performance.now() + options.startTimeoutMs;
  for (;;) {
    try {
      return await connectOnce(options);
    } catch (error) {
      await throwIfPermanent(options, error, deadline);
      await sleep(CONNECT_RETRY_MS);
    }
  }
}

async function throwIfPermanent(
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

/** Any of the connections may be the first to notice the end of the container. */
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
  const log = logs.trim() ? ` Its log: ${logs.trim().slice(-500)}` : '';
  return new AppError('container_lost', `The container stopped during its start.${log}`, { cause });
}

function silent(error: Error & { cause: CodexSilent }): AppError {
  const message = `${error.cause.message} The container of the agent was restarted.`;
  return new AppError('codex_failed', message, { cause: error.cause });
}

function startTimeout({ startTimeoutMs }: ContainerLinkOptions, cause: unknown): AppError {
  const seconds = Math.round(startTimeoutMs / 1000);
  return new AppError('start_timeout', `The agent did not answer within ${seconds} s.`, { cause });
}
