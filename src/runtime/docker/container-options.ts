import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';
import type { ContainerLayout, ContainerSpec, CopySource } from '../container-runtime.ts';
import { LABELS } from './labels.ts';

const SOCKET = '/tmp/app.sock';
const GATEWAY = 'http://127.0.0.1:8211';
const NANO = 1_000_000_000;

/** Uid and gid of the user `agent` of the image, which owns the volumes. */
const AGENT_USER = '1000:1000';

/** A started app-server needs some 80 ms to listen: waiting in there is faster than trying again. */
const AWAIT_SOCKET = `i=0; until [ -S ${SOCKET} ] || [ $i -ge 500 ]; do i=$((i+1)); sleep 0.02; done`;

/** How long the container lets connections wait for the next server; refused ones come back late. */
const TUNNEL_KEEPS_SECONDS = 300;

export const DOCKER_LAYOUT: ContainerLayout = {
  workspace: '/workspace',
  home: '/home/agent',
  appServerProxy: ['sh', '-c', `${AWAIT_SOCKET}; exec codex app-server proxy --sock ${SOCKET}`],
  tunnel: ['node', '/usr/local/lib/codex-mcp/tunnel.mjs', String(TUNNEL_KEEPS_SECONDS)],
};

const APP_SERVER = ['codex', 'app-server', '--listen', `unix://${SOCKET}`];

/** Codex looks for skills of the administrator in the directory above; those of the image stay beside these. */
const SKILLS = '/etc/codex/skills/server';

/** Builds write and run programs in /tmp, so it stays executable; it counts as the agent's memory. */
const SCRATCH = 'rw,nosuid,nodev,exec,mode=1777';

/** An engine cannot grant more than it has itself, and every Linux has at least this. */
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

/** Names on the engine; the short hash keeps installations on one engine apart. */
export function containerNames(installationId: string, agentId: string): ContainerNames {
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
  /** CPUs of the engine: it refuses a container that may use more. */
  cpus: number;
};

/** What a container of the present settings is created with, all but what depends on the agent. */
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
      // The engine would restart an agent without its tunnel and behind the back of the reconciler.
      RestartPolicy: { Name: 'no' },
      ...(config.CONTAINER_RUNTIME && { Runtime: config.CONTAINER_RUNTIME }),
      ...(config.SKILLS_DIR && { Mounts: [skillsMount(config.SKILLS_DIR)] }),
    },
  } satisfies Docker.ContainerCreateOptions;
}

/** An engine bounds no volume, but the kernel each file: that ends at once what writes without end. */
function fileSizeLimit(bytes: number): Docker.Ulimit[] {
  return bytes > 0 ? [{ Name: 'fsize', Soft: bytes, Hard: bytes }] : [];
}

/** Fingerprint of everything that makes a container outdated when it changes. */
export function specFingerprint(shape: ContainerShape): string {
  return fingerprint(JSON.stringify([containerSettings(shape), shape.imageId]));
}

/** The labels that tell whether a container is the one that a spec asks for. */
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

/** The whole body that creates a container and, where missing, its volumes. */
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

/** What a container has of its agent alone. */
function ownPart(spec: ContainerSpec, config: ContainerConfig): string[] {
  const own = environment(spec, config).sort();
  return spec.workspacePath === undefined ? own : [...own, spec.workspacePath];
}

/** Where a container that copies has the volumes of the other agent. */
const FROM = '/from';
/** Where a directory of the machine may be mounted: by its agent, and by a container that copies. */
export const WORKSPACE_TARGETS = [DOCKER_LAYOUT.workspace, `${FROM}/workspace`] as const;
/**
 * Blocks are shared where the file system can. The databases of Codex name files by their old paths
 * and may be half written; it makes them anew from the conversations.
 */
const COPY = [
  'sh',
  '-c',
  `cp -a --reflink=auto ${FROM}/workspace/. ${DOCKER_LAYOUT.workspace}/ \
  && cp -a --reflink=auto ${FROM}/home/. ${DOCKER_LAYOUT.home}/ \
  && rm -rf ${DOCKER_LAYOUT.home}/.codex/*.sqlite*`,
];

/** The whole body of a container that fills the new volumes of an agent with those of another, and ends. */
export function copyOptions(
  installationId: string,
  { from, to }: { from: CopySource; to: string },
  shape: ContainerShape,
): Docker.ContainerCreateOptions {
  const made = createOptions(installationId, { agentId: to, env: {} }, shape);
  const { workspaceVolume, homeVolume } = containerNames(installationId, from.agentId);
  return {
    ...made,
    Entrypoint: COPY,
    Labels: {
      ...made.Labels,
      // To whoever looks for the container of the agent, it is one to be replaced.
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

/** What else is mounted within the directory stays away: only the directory itself is read-only. */
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
