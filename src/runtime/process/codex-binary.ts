import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../../errors.ts';

const TRIPLES: Readonly<Record<string, string>> = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
};
const PROBE_TIMEOUT_MS = 15_000;
/** The sandbox fails if a mount, such as that of a container, disappears during its start. */
const SANDBOX_ATTEMPTS = 3;

/** The native Codex program: the configured one, or that of the optional dependency. Throws `codex_missing`. */
export function findCodex(named: string | undefined): string {
  const file = named === undefined ? installedCodex() : path.resolve(named);
  try {
    fs.accessSync(file, fs.constants.X_OK);
  } catch (cause) {
    throw missing(`${file} is not an executable program`, cause);
  }
  if (isNodeScript(file)) throw missing(`${file} is the Node wrapper, not the native program`);
  return file;
}

/** Changes with the program. */
export function identify(codex: string): string {
  const { size, mtimeMs } = fs.statSync(codex);
  return `${codex} ${size} ${mtimeMs}`;
}

/** Runs `codex --version`, which fails for a program of another platform. Throws `codex_missing`. */
export async function codexVersion(codex: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(codex, ['--version'], probeOptions());
    return stdout.trim();
  } catch (cause) {
    throw missing(`${codex} does not run here`, cause);
  }
}

/** Why Codex's own sandbox does not work on this machine; undefined if it works. */
export async function sandboxProblem(codex: string, home: string): Promise<string | undefined> {
  let problem: string | undefined;
  for (let attempt = 0; attempt < SANDBOX_ATTEMPTS; attempt += 1) {
    problem = await trySandbox(codex, home);
    if (problem === undefined) return undefined;
  }
  return problem;
}

async function trySandbox(codex: string, home: string): Promise<string | undefined> {
  try {
    const options = { ...probeOptions({ HOME: home, CODEX_HOME: home }), cwd: home };
    await promisify(execFile)(codex, ['sandbox', '--', 'true'], options);
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim() || message).slice(-500);
  }
}

function installedCodex(): string {
  const triple = TRIPLES[`${process.platform}-${process.arch}`];
  if (triple === undefined) {
    throw missing(`Codex has no build for ${process.platform} on ${process.arch}`);
  }
  const platformPackage = `@openai/codex-${process.platform}-${process.arch}`;
  try {
    // The platform package is a dependency of the wrapper package.
    const wrapper = createRequire(import.meta.url).resolve('@openai/codex/package.json');
    const manifest = createRequire(wrapper).resolve(`${platformPackage}/package.json`);
    return path.join(path.dirname(manifest), 'vendor', triple, 'bin', 'codex');
  } catch (cause) {
    throw missing(`${platformPackage} is not installed`, cause);
  }
}

function isNodeScript(file: string): boolean {
  const descriptor = fs.openSync(file, 'r');
  try {
    const start = Buffer.alloc(64);
    fs.readSync(descriptor, start);
    return /^#!.*\bnode\b/.test(start.toString('latin1'));
  } finally {
    fs.closeSync(descriptor);
  }
}

function probeOptions(env: Record<string, string> = {}) {
  return { timeout: PROBE_TIMEOUT_MS, env: { PATH: '/usr/bin:/bin', ...env } };
}

function missing(why: string, cause?: unknown): AppError {
  const advice = 'Run "npm i @openai/codex" or set CODEX_BIN to the native program.';
  return new AppError('codex_missing', `No Codex program: ${why}. ${advice}`, { cause });
}
