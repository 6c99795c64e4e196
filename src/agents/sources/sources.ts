import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { Config } from '../../config/config.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { GitFailure } from '../../gateway/egress/git-exchange.ts';
import type { GitForwarder, GitGrant } from '../../gateway/egress/git-forwarder.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { DISK_FULL } from '../../runtime/disk-full.ts';
import { runScript } from '../../workspaces/container-script.ts';
import type { ArchiveBounds } from '../../workspaces/transfers/archive-rules.ts';
import { Staging, stagingEnvironment } from '../../workspaces/transfers/staging.ts';
import { transferBounds } from '../../workspaces/transfers/transfer-bounds.ts';
import type { WorkspaceFiles } from '../../workspaces/transfers/workspace-files.ts';
import { STAGING } from '../../workspaces/workspace-path.ts';
import type { AgentRecord } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import type { DiskWatch } from '../disk-watch.ts';
import { type CloneResult, cloneInto, fetchSubmodule, lookAtClone } from './git-clone.ts';
import { bytesOf, type GitSource, type Source, type SourceFile, sourceDigest } from './source.ts';
import { joined, missingContentNotes, readMissingContent, type Submodule } from './submodules.ts';

const NOT_EMPTY = 65;
const STDERR_CHARACTERS = 500;
/** Of one clone, nested ones included. */
const MOST_SUBMODULES = 100;
/** Exits with 0 if there are no files and no refs. Codex's sandbox leaves empty directories. */
const LOOK = `cd "$WORKSPACE" || exit 1
[ -z "$(find . -mindepth 1 -path ./.git -prune -o -path ./${STAGING} -prune -o ! -type d -print | head -n 1)" ] || exit ${NOT_EMPTY}
[ -z "$(git for-each-ref --count=1 2>/dev/null)" ] || exit ${NOT_EMPTY}`;

export type Filled = { filled: boolean; notes: string[] };
const UNCHANGED: Filled = { filled: false, notes: [] };

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

/** Fills the workspaces of awake agents from the sources of calls. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #staging: Staging;

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#staging = new Staging(options.runtime);
  }

  /**
   * Fills the workspace completely or not at all; the caller must have exclusive access to it. Does nothing
   * if the workspace has files of the same source. Returns notes on missing content of a clone. Throws
   * `workspace_not_empty`, `source_denied`, `source_unauthorized`, `source_failed`, `upload_too_large`, or
   * the reason of `signal`.
   */
  async apply(agentId: AgentId, source: Source, signal?: AbortSignal): Promise<Filled> {
    const { agents, disk } = this.#options;
    const agent = agents.get(agentId);
    const digest = sourceDigest(source);
    const { replace = false } = source;
    // A directory of the machine is attached before the agent wakes.
    if (!agent || source.path !== undefined) return UNCHANGED;
    if (replace) assertReplaceable(agent);
    if (!replace && !(await this.#isEmpty(agentId))) {
      if (agent.source === digest) return UNCHANGED;
      throw notEmpty(agent);
    }
    await disk.measureOnce(agentId);
    disk.assertRoom(agentId);
    // Stored before files are moved, so that a retry after a crash finds its own files.
    const run = { replace, signal, onArrived: () => agents.setSource(agentId, digest) };
    try {
      if (source.git) return { filled: true, notes: await this.#clone(agent, source.git, run) };
      await this.#write(agentId, source.files ?? [], run);
      return { filled: true, notes: [] };
    } catch (error) {
      await this.#staging.clear(agentId);
      signal?.throwIfAborted();
      throw error;
    } finally {
      disk.turnEnded(agentId);
    }
  }

  async #isEmpty(agentId: AgentId): Promise<boolean> {
    const { runtime } = this.#options;
    const env = { ...stagingEnvironment(runtime, agentId), GIT_CONFIG_GLOBAL: '/dev/null' };
    const { exitCode, stderr } = await runScript(runtime, agentId, ['sh', '-c', LOOK], { env });
    if (exitCode === 0 || exitCode === NOT_EMPTY) return exitCode === 0;
    throw failed('The workspace could not be read.', stderr);
  }

  async #write(agentId: AgentId, list: readonly SourceFile[], run: Run): Promise<void> {
    const bounds = transferBounds(this.#options, agentId);
    const options = { bounds, base: [], git: 'refuse', ...run } as const;
    await this.#options.files.put(agentId, archiveOf(list), options);
  }

  async #clone(agent: AgentRecord, source: GitSource, run: Run): Promise<string[]> {
    const { signal, onArrived } = run;
    const { agentId } = agent;
    const bounds = transferBounds(this.#options, agentId);
    let left = bounds.bytes;
    const fetched = async (
      from: GitSource,
      fetch: (gatewayPath: string) => Promise<CloneResult>,
    ) => {
      left -= await this.#fetch(agent, { source: from, bounds, maxBytes: left, signal }, fetch);
    };
    const { runtime } = this.#options;
    await fetched(source, (gatewayPath) =>
      cloneInto(runtime, agentId, { source, gatewayPath, bounds, signal }),
    );
    const notes = await this.#complete(agentId, source, (submodule) => {
      const from = { ...source, url: submodule.url };
      return fetched(from, (gatewayPath) =>
        fetchSubmodule(runtime, agentId, { source: from, submodule, gatewayPath, bounds, signal }),
      );
    });
    // Placing replaces all files; in a directory of the machine a person may have added some.
    if (agent.workspacePath !== undefined && !(await this.#isEmpty(agentId))) throw notEmpty(agent);
    onArrived();
    await this.#staging.place(agentId, { parts: [], replace: true, git: true });
    return notes;
  }

  /** Grants git access to one repository during `fetch`; returns the number of received bytes. */
  async #fetch(
    { agentId, owner }: AgentRecord,
    { source, bounds, maxBytes, signal }: Fetch,
    fetch: (gatewayPath: string) => Promise<CloneResult>,
  ): Promise<number> {
    const { git, credentials } = this.#options;
    const url = new URL(source.url);
    const authorization = credentials.authorizationFor({ host: url.host, principal: owner });
    using grant = git.grant(agentId, url, { authorization, maxBytes });
    const { exitCode, stderr, isTooLarge } = await fetch(grant.path);
    signal?.throwIfAborted();
    if (isTooLarge) throw tooLarge(source, bounds);
    if (exitCode !== 0) throw cloneFailure(grant, source, stderr);
    return grant.bytes;
  }

  /** Fetches submodules recursively if wanted; returns notes on missing content. */
  async #complete(
    agentId: AgentId,
    { url, submodules: wanted = false }: GitSource,
    fetch: (submodule: Submodule) => Promise<void>,
  ): Promise<string[]> {
    const missing: string[] = [];
    const lfs: string[] = [];
    const waiting = [{ within: '', url }];
    let count = 0;
    for (let repository = waiting.shift(); repository; repository = waiting.shift()) {
      const output = await lookAtClone(this.#options.runtime, agentId, repository.within);
      const missingContent = readMissingContent(output, repository);
      lfs.push(...missingContent.lfs);
      missing.push(...missingContent.unreachable);
      for (const submodule of missingContent.submodules) {
        const within = joined(submodule.within, submodule.path);
        if (!wanted) {
          missing.push(within);
          continue;
        }
        count += 1;
        if (count > MOST_SUBMODULES) throw tooMany(url);
        await fetch(submodule);
        waiting.push({ within, url: submodule.url });
      }
    }
    return missingContentNotes(missing, { lfs, wanted });
  }
}

type Fetch = {
  source: GitSource;
  bounds: ArchiveBounds;
  maxBytes: number;
  signal: AbortSignal | undefined;
};

function tooMany(url: string): AppError {
  const message = `${url} has more than ${MOST_SUBMODULES} submodules, nested ones included.`;
  return new AppError('source_failed', message);
}

const CODES: Readonly<Record<GitFailure['kind'], ErrorCode>> = {
  denied: 'source_denied',
  unauthorized: 'source_unauthorized',
  too_large: 'upload_too_large',
  failed: 'source_failed',
};

function cloneFailure({ failure, path }: GitGrant, { url }: GitSource, stderr: string): AppError {
  if (failure) return new AppError(CODES[failure.kind], `${url}: ${failure.message}`);
  // The container may write anything: the caller gets a limited part of it.
  const output = stderr
    .replaceAll(new RegExp(`http://[^\\s']*${path}/?`, 'g'), url)
    .slice(-STDERR_CHARACTERS);
  if (DISK_FULL.test(output)) return new AppError('no_space', `${url}: the disk is full.`);
  return failed(`${url} could not be cloned. Output of git: ${output || 'none'}`, stderr);
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

/** Throws `workspace_mounted`: no call removes files of a directory of the machine. */
export function assertReplaceable({ name, workspacePath }: AgentRecord): void {
  if (workspacePath === undefined) return;
  const message = `The workspace of agent ${name} is ${workspacePath}, whose files are never replaced.`;
  throw new AppError('workspace_mounted', message);
}

function notEmpty({ name }: AgentRecord): AppError {
  return new AppError('workspace_not_empty', `The workspace of agent ${name} is not empty.`);
}

function failed(message: string, stderr: string): AppError {
  return new AppError('source_failed', message, { cause: new Error(stderr) });
}
