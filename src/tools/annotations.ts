import type { Tool } from './tool.ts';

type Annotations = Tool['annotations'];

/** Of tools that read what the server knows. */
export const QUERY: Annotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

/** Of tools that change something of the server, where a second call changes nothing more. */
export const UPDATE: Annotations = { ...QUERY, readOnlyHint: false };

/** Of tools that run a turn without changing files. Clients may run such calls in parallel. */
export const READ_TURN: Annotations = { ...QUERY, idempotentHint: false, openWorldHint: true };

/** Of tools that run a turn that changes files. */
export const WRITE_TURN: Annotations = {
  ...READ_TURN,
  readOnlyHint: false,
  destructiveHint: true,
};

/** Of tools that change files without running a turn. */
export const WRITE: Annotations = { ...WRITE_TURN, openWorldHint: false };
