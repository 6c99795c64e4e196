import type { Tool } from './tool.ts';

type Hints = Tool['annotations'];

/** Hints of tools that only look at what the server knows. */
export const LOOKING: Hints = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

/** Of tools that change something, without loss; doing it twice is doing it once. */
export const SAFE: Hints = { ...LOOKING, readOnlyHint: false };

/** Of tools that leave the workspace alone; clients may run them side by side. */
export const READING: Hints = { ...LOOKING, idempotentHint: false, openWorldHint: true };

/** Of tools that change the workspace. */
export const WRITING: Hints = { ...READING, readOnlyHint: false, destructiveHint: true };
