import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type AgentId, agentIdSchema } from '../../identity/agent-id.ts';
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

/** The fields that depend on the agent and the server; all others follow from the settings. */
const variableSchema = z.looseObject({
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
  /** Directory of the machine to mount as the workspace or as the source of a copy. */
  workspacePath?: string | undefined;
  image: string;
  cpus: number;
};

type AllowedContainer = { name: string; volumes: string[]; body: string };

/** The installation label of a request to create a container. */
export function installationOf(body: unknown): string | undefined {
  return z
    .looseObject({ Labels: z.looseObject({ [LABELS.installation]: z.string() }) })
    .safeParse(body).data?.Labels[LABELS.installation];
}

/** The directory of the machine that a request mounts as the workspace or as the source of a copy. */
export function workspaceMountOf(body: unknown): WorkspaceMount | undefined {
  const found = mountsSchema
    .safeParse(body)
    .data?.HostConfig.Mounts.find(
      ({ Type, Target }) => Type === 'bind' && TARGETS.includes(Target),
    );
  return found && { source: found.Source, writable: found.ReadOnly !== true };
}

/**
 * Allows only the request that a server with these settings sends. There is no list of forbidden
 * options: any difference is refused.
 */
export function allowContainer(
  installationId: string,
  given: { name: string | undefined; body: unknown },
  { config, image, cpus, workspacePath }: Allowed,
): AllowedContainer {
  const parsed = variableSchema.safeParse(given.body);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.');
    throw new Refusal(`${path || 'the body'} is not a request of the server`);
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
  if (given.name !== name) throw new Refusal(`the name is not the one of agent ${agentId}`);
  const body = JSON.stringify(wanted);
  const path = difference(JSON.parse(body), given.body);
  if (path !== undefined) {
    throw new Refusal(`${path || 'the body'} differs from the settings of the guard`);
  }
  return { name, volumes: [workspaceVolume, homeVolume, ...volumesOf(installationId, from)], body };
}

function volumesOf(installationId: string, agentId: AgentId | undefined): string[] {
  if (agentId === undefined) return [];
  const { workspaceVolume, homeVolume } = containerNames(installationId, agentId);
  return [workspaceVolume, homeVolume];
}

/** Path of the first difference, such as `HostConfig.Memory`; undefined for equal documents. */
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
