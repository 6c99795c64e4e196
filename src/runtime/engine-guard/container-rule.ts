import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { agentIdSchema } from '../../identity/agent-id.ts';
import {
  type ContainerConfig,
  containerNames,
  copyOptions,
  createOptions,
  WORKSPACE_TARGETS,
} from '../docker/container-options.ts';
import { LABELS } from '../docker/labels.ts';
import { Refusal } from './refusal.ts';
import type { WorkspaceMount } from './workspace-rule.ts';

const fingerprint = z.string().regex(/^[0-9a-f]{16}$/);
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*=/);

/** What depends on the agent and on the server; all the rest follows from the settings. */
const freedomSchema = z.looseObject({
  Env: z.array(variable),
  Labels: z.looseObject({
    [LABELS.installation]: z.string(),
    [LABELS.agent]: agentIdSchema,
    [LABELS.spec]: fingerprint,
    [LABELS.env]: fingerprint,
    [LABELS.copyOf]: agentIdSchema.optional(),
  }),
});

const mountsSchema = z.looseObject({
  HostConfig: z.looseObject({
    Mounts: z.array(
      z.looseObject({
        ...{ Type: z.string(), Source: z.string(), Target: z.string() },
        ReadOnly: z.boolean().optional(),
      }),
    ),
  }),
});
const TARGETS: readonly string[] = WORKSPACE_TARGETS;

type Allowed = {
  config: ContainerConfig;
  /** The directory of the machine that it may have as a workspace, or for a copy. */
  workspacePath?: string | undefined;
  image: string;
  cpus: number;
};

/** A container that may be created: what the engine is sent, and whose it is. */
type AllowedContainer = { name: string; volumes: string[]; body: string };

/** The installation that a request to create a container is for, by its label. */
export function installationOf(body: unknown): string | undefined {
  return z
    .looseObject({ Labels: z.looseObject({ [LABELS.installation]: z.string() }) })
    .safeParse(body).data?.Labels[LABELS.installation];
}

/** The directory of the machine that a request to create a container has as a workspace, or for a copy. */
export function workspaceMountOf(body: unknown): WorkspaceMount | undefined {
  const found = mountsSchema
    .safeParse(body)
    .data?.HostConfig.Mounts.find(
      ({ Type, Target }) => Type === 'bind' && TARGETS.includes(Target),
    );
  return found && { source: found.Source, writable: found.ReadOnly !== true };
}

/**
 * Holds a request to create a container to what a server with these settings sends. Nothing is
 * forbidden by name: whatever the product does not ask for itself is refused.
 */
export function allowContainer(
  installationId: string,
  given: { name: string | undefined; body: unknown },
  { config, image, cpus, workspacePath }: Allowed,
): AllowedContainer {
  const parsed = freedomSchema.safeParse(given.body);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.');
    throw new Refusal(`${path || 'the body'} is not what a server sends`);
  }
  const { Env, Labels } = parsed.data;
  const agentId = Labels[LABELS.agent];
  const shape = { config, image, cpus, imageId: '' };
  const from = Labels[LABELS.copyOf];
  const workspace = workspacePath === undefined ? {} : { workspacePath };
  const made =
    from === undefined
      ? createOptions(installationId, { agentId, env: {}, ...workspace }, shape)
      : copyOptions(installationId, { from: { agentId: from, ...workspace }, to: agentId }, shape);
  const wanted = {
    ...made,
    Env,
    Labels: {
      ...made.Labels,
      [LABELS.spec]: Labels[LABELS.spec],
      [LABELS.env]: Labels[LABELS.env],
    },
  };
  const { container: name, workspaceVolume, homeVolume } = containerNames(installationId, agentId);
  if (given.name !== name) throw new Refusal(`the name is not that of the agent ${agentId}`);
  const body = JSON.stringify(wanted);
  const path = difference(JSON.parse(body), given.body);
  if (path !== undefined) {
    throw new Refusal(`${path || 'the body'} is not what the settings of the guard make of it`);
  }
  return { name, volumes: [workspaceVolume, homeVolume, ...volumesOf(installationId, from)], body };
}

function volumesOf(installationId: string, agentId: string | undefined): string[] {
  if (agentId === undefined) return [];
  const { workspaceVolume, homeVolume } = containerNames(installationId, agentId);
  return [workspaceVolume, homeVolume];
}

/** Where two documents differ, such as `HostConfig.Memory`; undefined if they do not. */
function difference(wanted: unknown, given: unknown): string | undefined {
  if (isDeepStrictEqual(wanted, given)) return undefined;
  if (!isObject(wanted) || !isObject(given)) return '';
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(given)])) {
    const inner = difference(wanted[key], given[key]);
    if (inner !== undefined) return inner === '' ? key : `${key}.${inner}`;
  }
  return '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
