import { AppError } from '../errors.ts';
import type { ContainerProcess, ContainerRuntime } from '../runtime/container-runtime.ts';
import { readAtMost } from '../runtime/read-at-most.ts';
import { lastWords } from '../runtime/stderr-tail.ts';

/** Bounds what one answer of git may cost in memory, whatever the agent wrote. */
const GIT_BYTES_READ = 32 * 1024 * 1024;
const STREAMED_BYTES = 1024 * 1024 * 1024;
/** Git says of larger files only that they differ: it would hold them in memory otherwise. */
const DIFFED_FILE = '32m';
/** Ends git, by a pipe that breaks, once it has said all that is read. */
const BOUNDED_GIT = `exec 3>&1
status=$({ { git "$@"; echo $? >&4; } | head -c ${GIT_BYTES_READ} >&3; } 4>&1)
exit $status`;
/** What was committed lies in the repository of the workspace, wherever that keeps its objects. */
const WITH_COMMITS = `objects=$(git --git-dir="$WORKSPACE/.git" rev-parse --path-format=absolute --git-path objects 2>/dev/null)
export GIT_ALTERNATE_OBJECT_DIRECTORIES="\\"$objects\\"" GIT_DIR="$SNAPSHOTS"
`;
/** What the agent has set for its git would change what is told of its files. */
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
  `core.bigFileThreshold=${DIFFED_FILE}`,
  '-c',
  'core.attributesFile=/dev/null',
];

type Options = {
  runtime: ContainerRuntime;
  agentId: string;
  env: { WORKSPACE: string; SNAPSHOTS: string };
};

/** Git in the container of an agent, over its snapshots and the commits of its repository. It changes neither. */
export class WorkspaceGit {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Its output, or 32 MiB of it. Throws `workspace_failed`. */
  read(args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    return this.#read(BOUNDED_GIT, args);
  }

  /** The same of the repository that the user sees, with its branches. */
  readOwn(args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    return this.#read(`export GIT_DIR="$WORKSPACE/.git"; ${BOUNDED_GIT}`, args);
  }

  async #read(script: string, args: readonly string[]): Promise<{ text: string; cut: boolean }> {
    const { process, complaint } = await this.#run(script, args);
    const [output, exitCode] = await Promise.all([
      readAtMost(process.stdio, GIT_BYTES_READ),
      process.exited,
    ]);
    const cut = output.length >= GIT_BYTES_READ;
    if (exitCode !== 0 && !cut) throw failed(complaint());
    return { text: output.toString(), cut };
  }

  /** Its whole output, piece by piece. Throws `workspace_failed`, perhaps after some of them. */
  async *stream(args: readonly string[]): AsyncGenerator<Buffer> {
    const { process, complaint } = await this.#run('exec git "$@"', args);
    try {
      let bytes = 0;
      for await (const chunk of process.stdio) {
        bytes += chunk.length;
        if (bytes > STREAMED_BYTES) throw failed('A diff is longer than any may be.');
        yield chunk;
      }
    } finally {
      process.stdio.destroy();
    }
    if ((await process.exited) !== 0) throw failed(complaint());
  }

  // Its input is left open: some proxies of engines end the output with it, and a diff would be cut.
  async #run(script: string, args: readonly string[]) {
    const { runtime, agentId, env } = this.#options;
    const command = ['sh', '-c', WITH_COMMITS + script, 'sh', ...args];
    const process: ContainerProcess = await runtime.exec(agentId, command, {
      env: { ...env, ...OWN_SETTINGS },
    });
    return { process, complaint: lastWords(process.stderr) };
  }
}

function failed(complaint: string): AppError {
  return new AppError('workspace_failed', 'Git could not compare the files of the workspace.', {
    cause: new Error(complaint),
  });
}
