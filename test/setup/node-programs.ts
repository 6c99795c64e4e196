import path from 'node:path';

/** Where Node keeps what it has compiled of the programs that tests start. */
const COMPILED = path.join(import.meta.dirname, '../../node_modules/.cache/compiled');

/** For the workers of vitest and all they start with their own environment. */
export function keepCompiled(): void {
  process.env.NODE_COMPILE_CACHE ??= COMPILED;
}

/**
 * What a program of ours takes over from this machine, where a test says all the rest itself. With
 * what an earlier start has compiled, a server listens in half the time.
 */
export function nodeEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) };
}
