import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerProcess, ContainerRuntime } from '../runtime/container-runtime.ts';
import { readAtMost } from '../runtime/read-at-most.ts';
import { stderrTail } from '../runtime/stderr-tail.ts';

/** Memory limit of one output of git, which depends on files of the agent. */
const GIT_BYTES_READ = 32 * 1024 * 1024;
const STREAMED_BYTES = 1024 * 1024 * 1024;
/** git shows no lines of larger files, since it would hold them in memory. */
const BIG_FILE = '32m';
/** Ends git by a broken pipe at the limit. */
const BOUNDED_GIT = `exec 3>&1
status=$({ { git "$@"; echo $? >&4; } | head -c ${GIT_BYTES_READ} >&3; } 4>&1)
exit $status`;
/** Adds the objects of the workspace's repository, which has the commits. */
const WITH_COMMITS = `objects=$(git --git-dir="$WORKSPACE/.git" rev-parse --path-format=absolute --git-path objects 2>/dev/null)
export GIT_ALTERNATE_OBJECT_DIRECTORIES="\\"$objects\\"" GIT_DIR="$SNAPSHOTS"
`;
/** The agent's own git configuration must not change the output. */
const OWN_SETTINGS = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_LITERAL_PATHSPECS: '1',
};

export const DIFF_OPTIONS = [
  '-c',
  'core.quotePath=false',
  '-c',
  `core.bigFileThreshold=${BIG_FILE}`,
  '-c',
  'core.attributesFile=/dev/null',
];

type Options = {
  runtime: ContainerRuntime;
  agentId: AgentId;
  env: { WORKSPACE: string; SNAPSHOTS: string };
};

/** Read-only git in the container of an agent, for its checkpoints and the commits of its repository. */
export class WorkspaceGit {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Returns the output, cut at 32 MiB. Throws `workspace_failed`. */
  read(args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    return this.#read(BOUNDED_GIT, args);
  }

  /** The same in the repository of the workspace, with its refs. */
  readOwn(args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    return this.#read(`export GIT_DIR="$WORKSPACE/.git"; ${BOUNDED_GIT}`, args);
  }

  async #read(script: string, args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    const { process, stderr } = await this.#run(script, args);
    const [output, exitCode] = await Promise.all([
      readAtMost(process.stdio, GIT_BYTES_READ),
      process.exited,
    ]);
    const cut = output.length >= GIT_BYTES_READ;
    if (exitCode !== 0 && !cut) throw failed(stderr());
    return { text: output.toString(), cut };
  }

  /** Streams the output. May throw `workspace_failed` after some chunks. */
  async *stream(args: readonly string[]): AsyncGenerator<Buffer> {
    const { process, stderr } = await this.#run('exec git "$@"', args);
    try {
      let bytes = 0;
      for await (const chunk of process.stdio) {
        bytes += chunk.length;
        if (bytes > STREAMED_BYTES) throw failed(`The diff has more than ${STREAMED_BYTES} bytes.`);
        yield chunk;
      }
    } finally {
      process.stdio.destroy();
    }
    if ((await process.exited) !== 0) throw failed(stderr());
  }

  // Standard input stays open: some engine proxies close the output together with the input.
  async #run(script: string, args: readonly string[]) {
    const { runtime, agentId, env } = this.#options;
    const command = ['sh', '-c', WITH_COMMITS + script, 'sh', ...args];
    const process: ContainerProcess = await runtime.exec(agentId, command, {
      env: { ...env, ...OWN_SETTINGS },
    });
    return { process, stderr: stderrTail(process.stderr) };
  }
}

function failed(stderr: string): AppError {
  return new AppError('workspace_failed', 'Git could not compare the files of the workspace.', {
    cause: new Error(stderr),
  });
}
