import type { Duplex, Readable } from 'node:stream';
import type { AppError } from '../errors.ts';

export const RUNTIME_KINDS = ['docker', 'process'] as const;
export type RuntimeKind = (typeof RUNTIME_KINDS)[number];

export type ContainerState = 'running' | 'paused' | 'stopped';

/** What starts the containers of agents. Every adapter passes test/contract/container-runtime.ts. */
export interface ContainerRuntime {
  readonly kind: RuntimeKind;
  /** Whether a container confines what runs in it. If not, Codex's own sandbox has to. */
  readonly confines: boolean;
  /** Answers whether containers can be started now; throws `engine_unreachable` if not. */
  ping(signal?: AbortSignal): Promise<EngineInfo>;
  /** Makes what containers need and is missing, such as the image. Concurrent calls share one run. */
  prepare(onProgress: (line: string) => void): Promise<void>;
  /** What {@link prepare} would have to make. */
  readiness(): Promise<Readiness>;
  /** Creates a stopped container and its volumes; volumes that exist are used again. Throws `name_taken`, `image_missing`, `no_space`. */
  create(spec: ContainerSpec): Promise<void>;
  /** Starts a stopped container or resumes a paused one; nothing if it runs. Throws `container_lost` if it is gone. */
  start(agentId: string): Promise<void>;
  /** Lets the main process end within the grace time, then kills all processes. Nothing if it does not run. */
  stop(agentId: string, options: { graceSeconds: number }): Promise<void>;
  pause(agentId: string): Promise<void>;
  /** Removes the container, and its volumes if asked. Nothing if it is gone. */
  remove(agentId: string, options: { volumes: boolean }): Promise<void>;
  /**
   * Makes new volumes that hold what those of another agent hold, but for the databases that Codex
   * makes anew; blocks are shared where the file system can. Nobody may write to the source meanwhile.
   * Whatever was there of `to` is removed first, and again if it fails. Until `onCopied` has been
   * called there is a container of `to` that tells of the copy, and whoever finds it without knowing
   * `to` has half a copy. Throws `copy_failed`, `no_space`, why `signal` was aborted or what `onCopied` throws.
   */
  copyVolumes(from: CopySource, to: string, options: CopyOptions): Promise<void>;
  /** All containers of this installation. */
  list(): Promise<ContainerSummary[]>;
  /** All volumes of this installation, whether or not there is a container for them, one entry for each agent. */
  listVolumes(): Promise<VolumeSummary[]>;
  /** Undefined if there is no such container. */
  inspect(agentId: string): Promise<ContainerSummary | undefined>;
  /**
   * Runs a program in a running container. It is not killed when the server dies, but its standard
   * input ends. Throws `container_lost` if the container does not run.
   */
  exec(
    agentId: string,
    command: readonly string[],
    options?: ExecOptions,
  ): Promise<ContainerProcess>;
  /** Where things are inside the container of an agent. */
  layout(agentId: string): ContainerLayout;
  /** What a container uses now; undefined if it does not run, or where nobody can tell. */
  stats(agentId: string): Promise<ContainerStats | undefined>;
  /** The last lines that the main process wrote. */
  logs(agentId: string, options: { tail: number }): Promise<string>;
}

export type EngineInfo = {
  /** Such as `Docker 20.10.24` or `processes of this machine`. */
  description: string;
  cpus: number;
  memoryBytes: number;
  /** Version of the cgroups that bound containers, such as `2`. */
  cgroupVersion?: string;
  /** What a container may use of it that nothing bounds, whatever its settings say, such as `memory`. */
  unbounded?: readonly string[];
  /** Why no container can be started although it answers, such as `runtime_missing`. */
  problem?: AppError;
  /** Where the engine keeps images and volumes, on its own machine. */
  dataDirectory?: string;
};

export type Readiness = {
  image: string;
  present: boolean;
  /** Version of Codex in it, if it says so. */
  codexVersion?: string;
};

/** An agent id is 1 to 64 letters, digits, `_`, `.` or `-`, and begins with a letter or digit. */
export type ContainerSpec = {
  agentId: string;
  /** Environment of the main process and of every exec. */
  env: Readonly<Record<string, string>>;
  /** Real path of a directory of the engine's machine that is the workspace, instead of a volume. It is never removed. */
  workspacePath?: string;
};

/** An agent whose volumes are copied, and its workspace where that is a directory of the machine. */
export type CopySource = Pick<ContainerSpec, 'agentId' | 'workspacePath'>;

export type CopyOptions = { signal: AbortSignal; onCopied: () => void };

export type ContainerSummary = {
  agentId: string;
  /** The engine's id of the container. */
  id: string;
  state: ContainerState;
  /** Whether the kernel killed a process of the container for lack of memory since its start. */
  outOfMemory: boolean;
  /** Exit status of the main process of a stopped container. */
  exitCode?: number;
  /** Whether this container was made by an older server with settings that no longer hold. */
  outdated: boolean;
  /** It only copies the files of another agent, and they may not be all there. */
  isCopy?: boolean;
};

export type VolumeSummary = {
  agentId: string;
  /** When the oldest of them was made. */
  createdAt: Date;
  /** Whether the one of the workspace is among them. */
  holdsWorkspace: boolean;
  /** Whether the one of the home is, which holds the conversations. */
  holdsHome: boolean;
};

export type ContainerStats = {
  /** Of one CPU: 200 is two of them at work. */
  cpuPercent: number;
  memoryBytes: number;
  /** Absent where nothing bounds it. */
  memoryLimitBytes?: number;
  /** Processes and threads. */
  pids: number;
};

export type ExecOptions = {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
};

/** A program started by exec: both streams as one duplex, standard error apart. */
export type ContainerProcess = {
  /** Writes go to standard input, reads come from standard output. Destroying it ends the input. */
  stdio: Duplex;
  stderr: Readable;
  /** Exit status, or undefined if the container ended first. Never rejects. */
  exited: Promise<number | undefined>;
};

/** Absolute paths and command lines inside a container. */
export type ContainerLayout = {
  workspace: string;
  home: string;
  /** A directory of skills of which Codex has to be told, since it does not look there itself. */
  skills?: string;
  /** Copies bytes between its stdio and the app-server's socket. */
  appServerProxy: readonly string[];
  /** Carries connections to the gateway over its stdio. */
  tunnel: readonly string[];
};
