import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { AgentRecord } from '../../agents/agent.ts';
import type { DiskWatch } from '../../agents/disk-watch.ts';
import type { Config } from '../../config/config.ts';
import type { GitFailure } from '../../egress/git-exchange.ts';
import type { GitForwarder, GitGrant } from '../../egress/git-forwarder.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { AgentStore } from '../../store/store.ts';
import { runScript } from '../container-script.ts';
import { saysNoRoom } from '../no-room.ts';
import type { ArchiveBounds } from '../transfers/archive-rules.ts';
import { Staging, stagingEnvironment } from '../transfers/staging.ts';
import { transferBounds } from '../transfers/transfer-bounds.ts';
import type { WorkspaceFiles } from '../transfers/workspace-files.ts';
import { STAGING } from '../workspace-path.ts';
import { cloneInto } from './git-clone.ts';
import { bytesOf, type GitSource, type Source, type SourceFile, sourceDigest } from './source.ts';

const NOT_EMPTY = 65;
const SAID = 500;
/** Whether nobody has put a file there, or committed anything. Codex's sandbox leaves empty directories. */
const LOOK = `cd "$WORKSPACE" || exit 1
[ -z "$(find . -mindepth 1 -path ./.git -prune -o -path ./${STAGING} -prune -o ! -type d -print | head -n 1)" ] || exit ${NOT_EMPTY}
[ -z "$(git for-each-ref --count=1 2>/dev/null)" ] || exit ${NOT_EMPTY}`;

type SourcesOptions = {
  runtime: ContainerRuntime;
  files: Pick<WorkspaceFiles, 'put'>;
  git: Pick<GitForwarder, 'grant'>;
  credentials: { authorizationFor(place: { host: string; principal: string }): string | undefined };
  agents: Pick<AgentStore, 'get' | 'setSource'>;
  disk: DiskWatch;
  config: Pick<Config, 'TRANSFER_MAX_BYTES' | 'TRANSFER_MAX_ENTRIES'>;
};

type Run = { replace: boolean; signal: AbortSignal | undefined; onArrived: () => void };

/** Fills the workspaces of agents that are awake with what their callers want to begin with. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #staging: Staging;

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#staging = new Staging(options.runtime);
  }

  /**
   * Fills the workspace, all of it or not at all; nobody else may change it meanwhile. Answers false,
   * and does nothing, if it was filled with the same already and has files. Throws `workspace_not_empty`,
   * `source_denied`, `source_unauthorized`, `source_failed`, `upload_too_large`, or why `signal` is aborted.
   */
  async apply(agentId: string, source: Source, signal?: AbortSignal): Promise<boolean> {
    const { agents, disk } = this.#options;
    const agent = agents.get(agentId);
    const digest = sourceDigest(source);
    const { replace = false } = source;
    // A directory of the machine was given before the agent woke.
    if (!agent || source.path !== undefined) return false;
    if (replace) assertReplaceable(agent);
    if (!replace && !(await this.#isEmpty(agentId))) {
      if (agent.source === digest) return false;
      throw notEmpty(agent);
    }
    await disk.know(agentId);
    disk.assertRoom(agentId);
    // Known before anything is moved: a server that dies in between finds its own files then.
    const run = { replace, signal, onArrived: () => agents.setSource(agentId, digest) };
    try {
      if (source.git) await this.#clone(agent, source.git, run);
      else await this.#write(agentId, source.files ?? [], run);
    } catch (error) {
      await this.#staging.clear(agentId);
      signal?.throwIfAborted();
      throw error;
    } finally {
      disk.turnEnded(agentId);
    }
    return true;
  }

  async #isEmpty(agentId: string): Promise<boolean> {
    const { runtime } = this.#options;
    const env = { ...stagingEnvironment(runtime, agentId), GIT_CONFIG_GLOBAL: '/dev/null' };
    const { exitCode, complaint } = await runScript(runtime, agentId, ['sh', '-c', LOOK], { env });
    if (exitCode === 0 || exitCode === NOT_EMPTY) return exitCode === 0;
    throw failed('The workspace could not be looked at.', complaint);
  }

  async #write(agentId: string, list: readonly SourceFile[], run: Run): Promise<void> {
    const bounds = transferBounds(this.#options, agentId);
    const options = { bounds, base: [], git: 'refuse', ...run } as const;
    await this.#options.files.put(agentId, archiveOf(list), options);
  }

  async #clone(agent: AgentRecord, source: GitSource, { signal, onArrived }: Run) {
    const { runtime, git, credentials } = this.#options;
    const { agentId, owner } = agent;
    const url = new URL(source.url);
    const authorization = credentials.authorizationFor({ host: url.host, principal: owner });
    const bounds = transferBounds(this.#options, agentId);
    using grant = git.grant(agentId, url, { authorization, maxBytes: bounds.bytes });
    const order = { source, gatewayPath: grant.path, bounds, signal };
    const { exitCode, complaint, isTooLarge } = await cloneInto(runtime, agentId, order);
    signal?.throwIfAborted();
    if (isTooLarge) throw tooLarge(source, bounds);
    if (exitCode !== 0) throw cloneFailure(grant, source, complaint);
    // Placing removes what is there, which on a directory of the machine somebody else may have put.
    if (agent.workspacePath !== undefined && !(await this.#isEmpty(agentId))) throw notEmpty(agent);
    onArrived();
    await this.#staging.place(agentId, { parts: [], replace: true, git: true });
  }
}

const CODES: Readonly<Record<GitFailure['kind'], ErrorCode>> = {
  denied: 'source_denied',
  unauthorized: 'source_unauthorized',
  too_large: 'upload_too_large',
  failed: 'source_failed',
};

function cloneFailure(
  { failure, path }: GitGrant,
  { url }: GitSource,
  complaint: string,
): AppError {
  if (failure) return new AppError(CODES[failure.kind], `${url}: ${failure.message}`);
  // The container may say anything; it goes to whoever asked for the clone, and is bounded.
  const said = complaint.replaceAll(new RegExp(`http://[^\\s']*${path}/?`, 'g'), url).slice(-SAID);
  if (saysNoRoom(said)) return new AppError('no_space', `${url}: no space left.`);
  return failed(`${url} could not be cloned. git said: ${said || 'nothing'}`, complaint);
}

function tooLarge({ url }: GitSource, { bytes, entries }: ArchiveBounds): AppError {
  const message = `${url}: the clone has more than ${bytes} bytes, or more than ${entries} entries. Nothing was changed.`;
  return new AppError('upload_too_large', message, { data: { limit: { bytes, entries } } });
}

async function* archiveOf(list: readonly SourceFile[]): AsyncGenerator<Uint8Array> {
  const packed = pack();
  for (const file of list) {
    const mode = file.executable ? 0o755 : 0o644;
    packed.entry({ name: file.path, mode }, bytesOf(file));
  }
  packed.finalize();
  yield* Readable.from(packed);
}

/** Throws `workspace_mounted` for the files of a person, which no call removes. */
export function assertReplaceable({ name, workspacePath }: AgentRecord): void {
  if (workspacePath === undefined) return;
  const message = `The workspace of agent ${name} is ${workspacePath}: nothing there is replaced.`;
  throw new AppError('workspace_mounted', message);
}

function notEmpty({ name }: AgentRecord): AppError {
  return new AppError('workspace_not_empty', `The workspace of agent ${name} has files already.`);
}

function failed(message: string, complaint: string): AppError {
  return new AppError('source_failed', message, { cause: new Error(complaint) });
}
