import { execFile } from 'node:child_process';
import path from 'node:path';

const EXAMPLES = path.join(import.meta.dirname, '../../examples');
/** What never comes is told late; a slow machine takes minutes. */
const LIMIT_MS = 250_000;

export type ExampleRun = { code: number; stdout: string; stderr: string };
export type RunOptions = { directory?: string; environment?: Record<string, string> };

export function pathOf(example: string): string {
  return path.join(EXAMPLES, example);
}

/** Runs a program to its end, without anything of the user who runs the tests. */
export function runProgram(
  program: string,
  args: readonly string[],
  { directory = EXAMPLES, environment = {} }: RunOptions = {},
): Promise<ExampleRun> {
  const options = {
    cwd: directory,
    timeout: LIMIT_MS,
    env: {
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
      HOME: '/nonexistent',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      ...environment,
    },
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
    child.stdin?.end();
  });
}
