import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerLayout, ContainerSpec, CopySource } from '../container-runtime.ts';
import { LABELS } from './labels.ts';

const SOCKET = '/tmp/app.sock';
const GATEWAY = 'http://127.0.0.1:8211';
const NANO = 1_000_000_000;

/** Uid and gid of the user `agent` of the image, which owns the volumes. */
const AGENT_USER = '1000:1000';

/** A new app-server listens after about 80 ms; waiting in the container is faster than new execs. */
const AWAIT_SOCKET = `i=0; until [ -S ${SOCKET} ] || [ $i -ge 500 ]; do i=$((i+1)); sleep 0.02; done`;

/** Time for which the tunnel holds connections for the next server; Codex retries refused ones late. */
const TUNNEL_HOLD_SECONDS = 300;

export const DOCKER_LAYOUT: ContainerLayout = {
  workspace: '/workspace',
  home: '/home/agent',
  appServerProxy: ['sh', '-c', `${AWAIT_SOCKET}; exec codex app-server proxy --sock ${SOCKET}`],
  tunnel: ['node', '/usr/local/lib/codex-mcp/tunnel.mjs', String(TUNNEL_HOLD_SECONDS)],
};

const APP_SERVER = ['codex', 'app-server', '--listen', `unix://${SOCKET}`];

/** Codex reads admin skills from the parent directory, which may also have skills of the image. */
const SKILLS = '/etc/codex/skills/server';

/** Executable, since builds run programs from /tmp; it counts towards the memory limit. */
const SCRATCH = 'rw,nosuid,nodev,exec,mode=1777';

/** An engine cannot raise its own limit; every Linux allows at least this. */
const OPEN_FILES = 4096;

export type ContainerConfig = Pick<
  Config,
  | 'CONTAINER_CPU_LIMIT'
  | 'CONTAINER_DISK_LIMIT'
  | 'CONTAINER_MEMORY_LIMIT'
  | 'CONTAINER_NETWORK_MODE'
  | 'CONTAINER_PIDS_LIMIT'
  | 'CONTAINER_RUNTIME'
  | 'SKILLS_DIR'
>;

type ContainerNames = { container: string; workspaceVolume: string; homeVolume: string };

/** Names on the engine; the hash separates the installations of one engine. */
export function containerNames(installationId: string, agentId: AgentId): ContainerNames {
  const container = `codex-agent-${fingerprint(installationId).slice(0, 8)}-${agentId}`;
  return {
    container,
    workspaceVolume: `${container}-workspace`,
    homeVolume: `${container}-home`,
  };
}

export type ContainerShape = {
  config: ContainerConfig;
  image: string;
  imageId: string;
  /** CPUs of the engine, which refuses a higher limit. */
  cpus: number;
};

/** The part of the settings that is equal for all agents. */
function containerSettings({ config, image, cpus }: ContainerShape) {
  return {
    Image: image,
    User: AGENT_USER,
    Hostname: 'agent',
    WorkingDir: DOCKER_LAYOUT.workspace,
    Entrypoint: APP_SERVER,
    HostConfig: {
      Init: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': `${SCRATCH},size=256m`, '/var/tmp': `${SCRATCH},size=64m` },
      PidsLimit: config.CONTAINER_PIDS_LIMIT,
      Memory: config.CONTAINER_MEMORY_LIMIT,
      MemorySwap: config.CONTAINER_MEMORY_LIMIT,
      NanoCpus: Math.round(Math.min(config.CONTAINER_CPU_LIMIT, cpus) * NANO),
      Ulimits: [
        { Name: 'nofile', Soft: OPEN_FILES, Hard: OPEN_FILES },
        { Name: 'core', Soft: 0, Hard: 0 },
        ...fileSizeLimit(config.CONTAINER_DISK_LIMIT),
      ],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      NetworkMode: config.CONTAINER_NETWORK_MODE,
      IpcMode: 'private',
      // A restart by the engine would lack the tunnel and bypass the reconciler.
      RestartPolicy: { Name: 'no' },
      ...(config.CONTAINER_RUNTIME && { Runtime: config.CONTAINER_RUNTIME }),
      ...(config.SKILLS_DIR && { Mounts: [skillsMount(config.SKILLS_DIR)] }),
    },
  } satisfies Docker.ContainerCreateOptions;
}

/** Engines cannot limit volumes; a limit per file stops a program that writes endlessly. */
function fileSizeLimit(bytes: number): Docker.Ulimit[] {
  return bytes > 0 ? [{ Name: 'fsize', Soft: bytes, Hard: bytes }] : [];
}

/** Fingerprint of all settings whose change makes a container outdated. */
export function specFingerprint(shape: ContainerShape): string {
  return fingerprint(JSON.stringify([containerSettings(shape), shape.imageId]));
}

export function containerLabels(
  installationId: string,
  spec: ContainerSpec,
  shape: ContainerShape,
) {
  return {
    [LABELS.installation]: installationId,
    [LABELS.agent]: spec.agentId,
    [LABELS.spec]: specFingerprint(shape),
    [LABELS.env]: fingerprint(JSON.stringify(ownPart(spec, shape.config))),
  };
}

/** The request body that creates a container and its missing volumes. */
export function createOptions(
  installationId: string,
  spec: ContainerSpec,
  shape: ContainerShape,
): Docker.ContainerCreateOptions {
  const names = containerNames(installationId, spec.agentId);
  const settings = containerSettings(shape);
  const { Mounts: more = [], ...host } = settings.HostConfig;
  const owner = { [LABELS.installation]: installationId, [LABELS.agent]: spec.agentId };
  return {
    ...settings,
    Env: environment(spec, shape.config),
    Labels: containerLabels(installationId, spec, shape),
    HostConfig: {
      ...host,
      Mounts: [
        ...more,
        spec.workspacePath === undefined
          ? volume(names.workspaceVolume, DOCKER_LAYOUT.workspace, owner)
          : bind(spec.workspacePath, DOCKER_LAYOUT.workspace),
        volume(names.homeVolume, DOCKER_LAYOUT.home, owner),
      ],
    },
  };
}

/** The part of the settings that depends on the agent. */
function ownPart(spec: ContainerSpec, config: ContainerConfig): string[] {
  const own = environment(spec, config).sort();
  return spec.workspacePath === undefined ? own : [...own, spec.workspacePath];
}

/** Mount point of the source volumes in a copying container. */
const FROM = '/from';
/** Mount points of a directory of the machine: in the container of its agent and in a copying container. */
export const WORKSPACE_TARGETS = [DOCKER_LAYOUT.workspace, `${FROM}/workspace`] as const;
/**
 * Codex's databases are not copied: they contain absolute paths and may be incomplete. Codex rebuilds
 * them from its sessions.
 */
const COPY = [
  'sh',
  '-c',
  `cp -a --reflink=auto ${FROM}/workspace/. ${DOCKER_LAYOUT.workspace}/ \
  && cp -a --reflink=auto ${FROM}/home/. ${DOCKER_LAYOUT.home}/ \
  && rm -rf ${DOCKER_LAYOUT.home}/.codex/*.sqlite*`,
];

/** The request body of a container that copies the volumes of an agent into those of another, and exits. */
export function copyOptions(
  installationId: string,
  { from, to }: { from: CopySource; to: AgentId },
  shape: ContainerShape,
): Docker.ContainerCreateOptions {
  const made = createOptions(installationId, { agentId: to, env: {} }, shape);
  const { workspaceVolume, homeVolume } = containerNames(installationId, from.agentId);
  return {
    ...made,
    Entrypoint: COPY,
    Labels: {
      ...made.Labels,
      // Never the current fingerprint, so that the container counts as outdated.
      [LABELS.spec]: fingerprint(`copy ${specFingerprint(shape)}`),
      [LABELS.copyOf]: from.agentId,
    },
    HostConfig: {
      ...made.HostConfig,
      Mounts: [
        ...(made.HostConfig?.Mounts ?? []),
        from.workspacePath === undefined
          ? readOnly(workspaceVolume, `${FROM}/workspace`)
          : { ...bind(from.workspacePath, `${FROM}/workspace`), ReadOnly: true },
        readOnly(homeVolume, `${FROM}/home`),
      ],
    },
  };
}

function environment(spec: ContainerSpec, config: ContainerConfig): string[] {
  const proxy = config.CONTAINER_NETWORK_MODE === 'none' ? proxyVariables() : {};
  return Object.entries({ ...proxy, ...spec.env }).map(([name, value]) => `${name}=${value}`);
}

function proxyVariables(): Record<string, string> {
  const direct = '127.0.0.1,localhost';
  return {
    HTTP_PROXY: GATEWAY,
    HTTPS_PROXY: GATEWAY,
    http_proxy: GATEWAY,
    https_proxy: GATEWAY,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
  };
}

/** Non-recursive, since mounts inside of the directory would be writable. */
function skillsMount(directory: string): Docker.MountSettings {
  return { ...bind(directory, SKILLS), ReadOnly: true };
}

function bind(directory: string, target: string): Docker.MountSettings {
  const alone = { Propagation: 'rprivate', NonRecursive: true } as const;
  return { Type: 'bind', Source: directory, Target: target, BindOptions: alone };
}

function volume(
  name: string,
  target: string,
  labels: Record<string, string>,
): Docker.MountSettings {
  return {
    Type: 'volume',
    Source: name,
    Target: target,
    VolumeOptions: { NoCopy: false, Labels: labels, DriverConfig: { Name: 'local', Options: {} } },
  };
}

function readOnly(name: string, target: string): Docker.MountSettings {
  return { Type: 'volume', Source: name, Target: target, ReadOnly: true };
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
