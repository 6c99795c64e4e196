/** What one request of a git client may use. */
export type GitBounds = {
  /** Of the body of a request. */
  maxBytes: number;
  /** How long nothing may move in either direction. */
  idleSeconds: number;
  totalSeconds: number;
  /** How long git may wait for more after all was sent, until its input ends. */
  quietSeconds: number;
};
