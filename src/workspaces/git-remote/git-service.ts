import type { Readable } from 'node:stream';
import pTimeout from 'p-timeout';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import { AppError } from '../../errors.ts';
import type { ContainerProcess } from '../../runtime/container-runtime.ts';
import { stderrTail } from '../../runtime/stderr-tail.ts';
import { agentScript } from '../agent-script.ts';
import type { Workspace } from '../workspace.ts';
import type { GitBounds } from './git-bounds.ts';
import { GitTraffic } from './git-traffic.ts';

/** The services of git's protocol: one for clones and fetches, one for pushes. */
export const GIT_SERVICES = ['git-upload-pack', 'git-receive-pack'] as const;
export type GitService = (typeof GIT_SERVICES)[number];

export type GitRequest = {
  service: GitService;
  /** Protocol version that the client prefers. */
  protocol?: '0' | '1' | '2' | undefined;
  /** Request body, absent for a list of refs. It is read to its end and not destroyed. */
  body?: Readable | undefined;
};

const SCRIPT = agentScript('unfinished-push.sh') + agentScript('git-service.sh');
const RECEIVE_HOOK = agentScript('receive-hook.sh');
/** Refs of the server: clients may fetch them, not push them. */
const OWN_REFS = 'refs/codex';
/** A body above the limit is read up to this factor, so that the client reads the response. */
const EXCESS = 2;
/** Grace time for the exit of git, which git-service.sh kills after `totalSeconds`. */
const ENDING_SECONDS = 30;

/** The command line overrides the configuration of the repository, which the agent may write. */
const SETTINGS: Record<GitService, readonly string[]> = {
  'git-upload-pack': ['uploadpack.allowFilter=true', 'uploadpack.allowAnySHA1InWant=true'],
  'git-receive-pack': [
    'receive.denyCurrentBranch=updateInstead',
    'receive.denyDeleteCurrent=refuse',
    'receive.shallowUpdate=true',
    `receive.hideRefs=${OWN_REFS}`,
    'core.fsmonitor=false',
  ],
};

/** Resolves when the client accepts more data; must settle when `over` is aborted. */
type Send = (chunk: Buffer, over: AbortSignal) => Promise<void>;

/**
 * Runs git in the container of an agent for one request of a git client, until git has exited. `send`
 * receives the response in chunks. An abort closes git's input, so that an incomplete push has no
 * effect. Throws `workspace_failed` if git failed without a response, `invalid_input` for an unreadable
 * body, or the reason of `signal`.
 */
export async function serveGit(
  workspace: Workspace,
  request: GitRequest,
  { send, bounds, signal }: { send: Send; bounds: GitBounds; signal: AbortSignal },
): Promise<GitTraffic> {
  const process = await workspace.exec(command(request, bounds, workspace), environment(request));
  using traffic = new GitTraffic(process.stdio, bounds, signal);
  const stderr = stderrTail(process.stderr);
  try {
    const fed = feed(request, process, traffic);
    for await (const chunk of process.stdio) {
      await send(chunk, traffic.over);
      traffic.sent(chunk.length);
    }
    // git may exit before the client has sent its body.
    await untilAborted(fed, traffic.over);
  } catch (error) {
    throw traffic.failure ?? error;
  } finally {
    process.stdio.destroy();
    // Without its client git may still write files, so the agent stays locked until git exits.
    traffic.exitCode = await exitOf(process, bounds);
  }
  if (traffic.failure) throw traffic.failure;
  if (traffic.exitCode === undefined) throw lost();
  if (traffic.bytesOut === 0 && traffic.exitCode !== 0) throw failed(stderr());
  return traffic;
}

function command(
  request: GitRequest,
  { maxBytes, totalSeconds }: GitBounds,
  { hooks }: Workspace,
): string[] {
  const { service, body } = request;
  const settings = [
    ...SETTINGS[service],
    `core.hooksPath=${changes(request) ? hooks : '/dev/null'}`,
    ...(changes(request) ? [`receive.maxInputSize=${maxBytes}`] : []),
  ];
  const kind = changes(request) ? 'write' : 'read';
  return [
    ...['sh', '-c', SCRIPT, 'git-service', kind, String(totalSeconds)],
    ...settings.flatMap((setting) => ['-c', setting]),
    ...[service.slice('git-'.length), '--stateless-rpc'],
    ...(body ? [] : ['--advertise-refs']),
    '.',
  ];
}

function environment(request: GitRequest): Record<string, string> {
  const { protocol } = request;
  return {
    ...(protocol && { GIT_PROTOCOL: `version=${protocol}` }),
    ...(changes(request) && { RECEIVE_HOOK }),
  };
}

function changes({ service, body }: GitRequest): boolean {
  return service === 'git-receive-pack' && body !== undefined;
}

/** git exits by itself once it has read its request; its input is closed only if it waits for more. */
async function feed(
  { body }: GitRequest,
  { stdio }: ContainerProcess,
  traffic: GitTraffic,
): Promise<void> {
  if (!body) return;
  try {
    // An iterator that ends early would destroy the body, and with it the connection of the response.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      if (traffic.received(chunk) > traffic.bounds.maxBytes * EXCESS) throw tooLarge(traffic);
      await traffic.write(chunk);
    }
    traffic.bodyEnded();
  } catch (error) {
    traffic.fail(error);
    stdio.destroy();
  }
}

function tooLarge({ bounds: { maxBytes } }: GitTraffic): AppError {
  return new AppError('body_too_large', `The request of git is larger than ${maxBytes} bytes.`);
}

function exitOf({ exited }: ContainerProcess, { totalSeconds }: GitBounds) {
  const milliseconds = (totalSeconds + ENDING_SECONDS) * 1000;
  return pTimeout(exited, { milliseconds, message: false });
}

function lost(): AppError {
  return new AppError('container_lost', 'The container stopped during the git operation.');
}

function failed(stderr: string): AppError {
  const cause = new Error(stderr);
  return new AppError('workspace_failed', 'Git could not serve the workspace.', { cause });
}
