import type { Readable } from 'node:stream';
import pTimeout from 'p-timeout';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import { AppError } from '../../errors.ts';
import type { ContainerProcess } from '../../runtime/container-runtime.ts';
import { lastWords } from '../../runtime/stderr-tail.ts';
import { agentScript } from '../agent-script.ts';
import type { Workspace } from '../workspace.ts';
import type { GitBounds } from './git-bounds.ts';
import { GitTraffic } from './git-traffic.ts';

/** Such as git clients ask for by name: one reads, the other takes a push. */
export const GIT_SERVICES = ['git-upload-pack', 'git-receive-pack'] as const;
export type GitService = (typeof GIT_SERVICES)[number];

export type GitRequest = {
  service: GitService;
  /** Version of git's protocol that the client prefers. */
  protocol?: '0' | '1' | '2' | undefined;
  /** What the client sends; none if it only asks which refs there are. Not destroyed, but read to its end. */
  body?: Readable | undefined;
};

const SCRIPT = agentScript('unfinished-push.sh') + agentScript('git-service.sh');
const RECEIVE_HOOK = agentScript('receive-hook.sh');
/** Where other parts of the server keep refs, which may be fetched. */
const OWN_REFS = 'refs/codex';
/** What is refused is read all the same, so that the client gets to read the answer, but not for ever. */
const EXCESS = 2;
/** How much longer than all its time git may take to end: it is ended in the container when that is over. */
const ENDING_SECONDS = 30;

/** What the command line says comes after the configuration of the repository, which the agent writes. */
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

/** Resolves when there is room for more, or rejects; at the latest when `over` is aborted. */
type Send = (chunk: Buffer, over: AbortSignal) => Promise<void>;

/**
 * Serves one request of a git client in the container of an agent, and resolves when git has ended
 * there. `send` takes the answer piece by piece. Aborting ends git's input, so that nothing is taken
 * of a push that is not complete. Throws `workspace_failed` if git had no answer, `invalid_input` for
 * a body that cannot be read, or why the signal was aborted.
 */
export async function serveGit(
  workspace: Workspace,
  request: GitRequest,
  { send, bounds, signal }: { send: Send; bounds: GitBounds; signal: AbortSignal },
): Promise<GitTraffic> {
  const process = await workspace.exec(command(request, bounds, workspace), environment(request));
  using traffic = new GitTraffic(process.stdio, bounds, signal);
  const complaint = lastWords(process.stderr);
  try {
    const fed = feed(request, process, traffic);
    for await (const chunk of process.stdio) {
      await send(chunk, traffic.over);
      traffic.sent(chunk.length);
    }
    // A git that has ended leaves a client alone that sends on.
    await untilAborted(fed, traffic.over);
  } catch (error) {
    throw traffic.failure ?? error;
  } finally {
    process.stdio.destroy();
    // What has lost its client may still write files, and the agent is not free before.
    traffic.exitCode = await exitOf(process, bounds);
  }
  if (traffic.failure) throw traffic.failure;
  if (traffic.exitCode === undefined) throw lost();
  if (traffic.bytesOut === 0 && traffic.exitCode !== 0) throw failed(complaint());
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

/** Git ends by itself when it has read what it needs: its input is ended only if it waits for more. */
async function feed(
  { body }: GitRequest,
  { stdio }: ContainerProcess,
  traffic: GitTraffic,
): Promise<void> {
  if (!body) return;
  try {
    // Ended early, an iterator would destroy the body, and with it the connection for the answer.
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
  return new AppError('body_too_large', `What git sent is larger than ${maxBytes} bytes.`);
}

function exitOf({ exited }: ContainerProcess, { totalSeconds }: GitBounds) {
  const milliseconds = (totalSeconds + ENDING_SECONDS) * 1000;
  return pTimeout(exited, { milliseconds, message: false });
}

function lost(): AppError {
  return new AppError('container_lost', 'The container ended while git worked in it.');
}

function failed(complaint: string): AppError {
  const cause = new Error(complaint);
  return new AppError('workspace_failed', 'Git could not serve the workspace.', { cause });
}
