import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const DEMO = path.join(import.meta.dirname, 'demo.ts');

export type Demo = { child: ChildProcess; exitCode: Promise<number | null>; output: () => string };

/** Runs in a directory without .env, which takes its temporary files too, and without a key. */
export function startDemo(scratch: string, environment: Record<string, string>): Demo {
  const { OPENAI_API_KEY: _, OPENAI_BASE_URL: __, FORCE_COLOR: ___, ...inherited } = process.env;
  const child = spawn(process.execPath, [DEMO], {
    cwd: scratch,
    env: { ...inherited, TMPDIR: scratch, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const exitCode = once(child, 'close').then(([code]) => code as number | null);
  return { child, exitCode, output: () => output };
}
