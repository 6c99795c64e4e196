/**
 * Runs the long tests that import what changed since a commit, `CI_BASE` or else the last release or
 * the commit before, until they have taken 300 raw runs. Files that only moved do not count as changed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createVitest } from 'vitest/node';
import { ensureEngine, prepareAgentImage } from './engine.ts';
import { measureUnit, readUnit } from './raw-run.ts';

const RUNS = 300;
/** How alike a file is to the one that it was, in percent, to count as moved. */
const MOVED = 90;

const git = (...args: string[]) =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const say = (line: string) => process.stdout.write(`[long] ${line}\n`);

const base = findBase();
const changed = base === undefined ? [] : changedSince(base);
const files = changed.length === 0 ? [] : await longTestsOf(changed);
say(`${changed.length} files changed since ${base ?? 'no commit'}; long tests: ${files.length}`);
if (files.length > 0) process.exitCode = await runInTime(files);

/** Undefined in a checkout without history. Throws for a `CI_BASE` that is no commit. */
function findBase(): string | undefined {
  const asked = process.env.CI_BASE;
  if (asked) return git('rev-parse', '--verify', `${asked}^{commit}`);
  for (const find of [
    ['describe', '--tags', '--abbrev=0'],
    ['rev-parse', '--verify', 'HEAD~1'],
  ]) {
    try {
      return git(...find);
    } catch {
      // No release yet, or a single commit.
    }
  }
  return undefined;
}

function changedSince(commit: string): string[] {
  const lines = git('diff', '--name-status', '-M', '--diff-filter=d', commit, 'HEAD').split('\n');
  return lines.flatMap((line) => {
    const [kind = '', ...paths] = line.split('\t');
    const isMoved = kind.startsWith('R') && Number(kind.slice(1)) >= MOVED;
    return isMoved ? [] : paths.slice(-1).filter((path) => path.endsWith('.ts'));
  });
}

async function longTestsOf(changedFiles: readonly string[]): Promise<string[]> {
  const related = changedFiles.map((file) => path.resolve(file));
  const vitest = await createVitest('test', { watch: false, project: ['long'], related });
  try {
    const tests = await vitest.getRelevantTestSpecifications();
    return tests.map(({ moduleId }) => path.relative('.', moduleId));
  } finally {
    await vitest.close();
  }
}

/** Returns the exit code: that of the first file that failed. A file that time cut off is told, and no failure. */
async function runInTime(tests: readonly string[]): Promise<number> {
  await ensureEngine(say);
  await measureUnit(await prepareAgentImage());
  const end = Date.now() + RUNS * (readUnit() ?? 0);
  let code = 0;
  for (const test of tests) {
    const left = Math.floor(end - Date.now());
    if (left <= 0) say(`${test} is left for npm run test:long`);
    else code ||= await run(test, left);
  }
  return code;
}

async function run(test: string, milliseconds: number): Promise<number> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'long', test];
  const child = spawn(process.execPath, args, { stdio: 'inherit', timeout: milliseconds });
  const [code] = await once(child, 'exit');
  // Vitest ends with a code of its own when it is told to.
  if (!child.killed) return code ?? 1;
  say(`${test} was cut off after ${Math.round(milliseconds / 1000)} s`);
  return 0;
}
