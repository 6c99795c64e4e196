/** The state of all files at one moment: two git trees that agent-image/workspace.sh writes. */
export type Checkpoint = {
  readonly files: string;
  readonly meta: string;
  /** Time since the boot of the kernel, in the unit of /proc/PID/stat. */
  readonly ticks: string;
};
