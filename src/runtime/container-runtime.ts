import type { Duplex, Readable } from 'node:stream';
import type { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';

export const RUNTIME_KINDS = ['docker', 'process'] as const;
export type RuntimeKind = (typeof RUNTIME_KINDS)[number];

export type ContainerState = 'running' | 'paused' | 'stopped';

/** Runs the containers of agents. Every adapter passes test/contract/container-runtime.ts. */
export interface ContainerRuntime {
  readonly kind: RuntimeKind;
  /** Whether a container confines its processes. If not, Codex's own sandbox must. */
  readonly confines: boolean;
  /** Throws `engine_unreachable`. */
  ping(signal?: AbortSignal): Promise<EngineInfo>;
  /** Creates missing prerequisites, such as the image. Concurrent calls share one run. */
  prepare(onProgress: (line: string) => void): Promise<void>;
  /** Whether {@link prepare} has work to do. */
  readiness(): Promise<Readiness>;
  /** Creates a stopped container, and its volumes if missing. Throws `name_taken`, `image_missing`, `no_space`. */
  create(spec: ContainerSpec): Promise<void>;
  /** Starts a stopped container or resumes a paused one. Throws `container_lost` if the container is missing. */
  start(agentId: AgentId): Promise<void>;
  /** Terminates the main process, and kills all processes after the grace time. */
  stop(agentId: AgentId, options: { graceSeconds: number }): Promise<void>;
  pause(agentId: AgentId): Promise<void>;
  remove(agentId: AgentId, options: { volumes: boolean }): Promise<void>;
  /**
   * Copies the volumes of an agent into new ones, without the databases that Codex rebuilds, and as
   * reflinks where the file system supports them. The source must not change. Existing volumes of `to` are
   * removed first, and incomplete ones after a failure. Until `onCopied` has returned, a container of `to`
   * with `isCopy` exists: if the store does not know `to`, its copy is incomplete. Throws `copy_failed`,
   * `no_space`, the reason of `signal` or the error of `onCopied`.
   */
  copyVolumes(from: CopySource, to: AgentId, options: CopyOptions): Promise<void>;
  /** All containers of this installation. */
  list(): Promise<ContainerSummary[]>;
  /** The volumes of this installation, with or without containers: one entry per agent. */
  listVolumes(): Promise<VolumeSummary[]>;
  /** Undefined for a missing container. */
  inspect(agentId: AgentId): Promise<ContainerSummary | undefined>;
  /**
   * Runs a program in a running container. When the server dies, its standard input is closed, but the
   * program is not killed. Throws `container_lost` if the container does not run.
   */
  exec(
    agentId: AgentId,
    command: readonly string[],
    options?: ExecOptions,
  ): Promise<ContainerProcess>;
  /** Paths and command lines inside of the container of an agent. */
  layout(agentId: AgentId): ContainerLayout;
  /** Present usage; undefined for a stopped container, and on systems that do not report it. */
  stats(agentId: AgentId): Promise<ContainerStats | undefined>;
  /** The last lines of the main process's output. */
  logs(agentId: AgentId, options: { tail: number }): Promise<string>;
}

export type EngineInfo = {
  /** Such as `Docker 20.10.24` or `processes of this machine`. */
  description: string;
  cpus: number;
  memoryBytes: number;
  /** Version of cgroups, such as `2`. */
  cgroupVersion?: string;
  /** Resources that the engine cannot limit, such as `memory`. */
  unbounded?: readonly string[];
  /** Why the engine answers but cannot start containers, such as `runtime_missing`. */
  problem?: AppError;
  /** Directory of images and volumes on the engine's machine. */
  dataDirectory?: string;
};

export type Readiness = {
  image: string;
  present: boolean;
  /** Version of Codex by the label of the image. */
  codexVersion?: string;
};

/** An agent id has 1 to 64 letters, digits, `_`, `.` or `-`, and starts with a letter or digit. */
export type ContainerSpec = {
  agentId: AgentId;
  /** Environment of the main process and of every exec. */
  env: Readonly<Record<string, string>>;
  /** Real path of a directory of the engine's machine to mount as the workspace, in place of a volume. It is never removed. */
  workspacePath?: string;
};

export type CopySource = Pick<ContainerSpec, 'agentId' | 'workspacePath'>;

export type CopyOptions = { signal: AbortSignal; onCopied: () => void };

export type ContainerSummary = {
  agentId: AgentId;
  /** Id of the container on the engine. */
  id: string;
  state: ContainerState;
  /** Whether the kernel killed a process for lack of memory since the start of the container. */
  outOfMemory: boolean;
  /** Exit status of the main process of a stopped container. */
  exitCode?: number;
  /** Whether the settings have changed since the container was created. */
  outdated: boolean;
  /** Whether the container only copies the files of another agent; the copy may be incomplete. */
  isCopy?: boolean;
};

export type VolumeSummary = {
  agentId: AgentId;
  /** Creation time of the oldest volume. */
  createdAt: Date;
  holdsWorkspace: boolean;
  holdsHome: boolean;
};

export type ContainerStats = {
  /** 100 is one CPU. */
  cpuPercent: number;
  memoryBytes: number;
  /** Absent without a limit. */
  memoryLimitBytes?: number;
  /** Number of processes and threads. */
  pids: number;
};

export type ExecOptions = {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
};

/** A program that exec started. */
export type ContainerProcess = {
  /** Standard input and output. Destroying the stream closes standard input. */
  stdio: Duplex;
  stderr: Readable;
  /** Exit code; undefined if the container stopped first. Never rejects. */
  exited: Promise<number | undefined>;
};

/** Absolute paths and command lines inside of a container. */
export type ContainerLayout = {
  workspace: string;
  home: string;
  /** A directory of skills that Codex must be told of, since Codex does not search it itself. */
  skills?: string;
  /** Connects its stdio to the socket of the app-server. */
  appServerProxy: readonly string[];
  /** Forwards connections to the gateway over its stdio. */
  tunnel: readonly string[];
};
