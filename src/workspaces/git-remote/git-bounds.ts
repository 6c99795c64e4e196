/** Limits of one request of a git client. */
export type GitBounds = {
  /** Bytes of the request body. */
  maxBytes: number;
  /** Time without a byte in either direction. */
  idleSeconds: number;
  totalSeconds: number;
  /** Time without a byte after the end of the body, until git's input is closed. */
  quietSeconds: number;
};
