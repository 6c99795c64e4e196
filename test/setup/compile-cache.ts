import { keepCompiled } from './node-programs.ts';

/** For vitest's `globalSetup`. */
export function setup(): void {
  keepCompiled();
}
