/** The state of all files at one moment: two git trees, as agent-image/workspace.sh makes them. */
export type WorkspaceTrees = {
  readonly files: string;
  readonly meta: string;
  /** When it was taken, on the clock of the container's kernel. */
  readonly ticks: string;
};
