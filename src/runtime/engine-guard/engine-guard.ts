import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Config } from '../../config/settings.ts';
import type { ImageConfig } from '../docker/agent-image.ts';
import type { ContainerConfig } from '../docker/container-options.ts';
import { allowContainer, installationOf, workspaceMountOf } from './container-rule.ts';
import { type EngineCallName, type MatchedCall, matchCall } from './engine-calls.ts';
import type { EngineSocket } from './engine-socket.ts';
import { allowExec } from './exec-rule.ts';
import { ImageRule } from './image-rule.ts';
import type { Installation } from './installation.ts';
import { OwnedResources } from './owned-resources.ts';
import { Refusal } from './refusal.ts';
import { readJson } from './request-body.ts';
import { WorkspaceRule } from './workspace-rule.ts';

export type GuardConfig = ContainerConfig & ImageConfig & Pick<Config, 'WORKSPACE_ROOTS'>;

/** The settings of containers, which must be equal in the server and the guard. */
export const GUARD_SETTINGS = [
  'AGENT_BASE_IMAGE',
  'AGENT_IMAGE',
  'CONTAINER_CPU_LIMIT',
  'CONTAINER_DISK_LIMIT',
  'CONTAINER_MEMORY_LIMIT',
  'CONTAINER_NETWORK_MODE',
  'CONTAINER_PIDS_LIMIT',
  'CONTAINER_RUNTIME',
  'EXTRA_CA_CERTS',
  'SKILLS_DIR',
  'WORKSPACE_ROOTS',
] as const satisfies readonly (keyof GuardConfig)[];

/** The request that the guard sends to the engine in place of the received one. */
type ForwardedRequest = {
  path: string;
  body?: string | NodeJS.ReadableStream;
  /** Serializes the request with others; it is then sent even if the client has gone. */
  serialize?: (send: () => Promise<void>) => Promise<void>;
};
type LocalAnswer = { document: unknown };
type Rule = (call: MatchedCall, body: unknown) => Promise<ForwardedRequest | LocalAnswer>;

/** The fields that the server reads; others may contain secrets of proxies. */
const infoSchema = z.object({
  ServerVersion: z.string(),
  NCPU: z.number(),
  MemTotal: z.number(),
  SystemTime: z.string(),
  CgroupVersion: z.string().optional(),
  DockerRootDir: z.string().optional(),
  MemoryLimit: z.boolean().optional(),
  CpuCfsQuota: z.boolean().optional(),
  PidsLimit: z.boolean().optional(),
  Runtimes: z
    .record(z.string(), z.unknown())
    .transform((runtimes) => Object.fromEntries(Object.keys(runtimes).map((name) => [name, {}])))
    .optional(),
});

/** Decides on all requests except upgraded exec connections, and builds the requests to the engine. */
export class EngineGuard {
  readonly resources: OwnedResources;
  readonly #engine: EngineSocket;
  readonly #installation: Installation;
  readonly #images: ImageRule;
  readonly #workspaces: WorkspaceRule;
  readonly #config: GuardConfig;

  private constructor(options: {
    engine: EngineSocket;
    installation: Installation;
    images: ImageRule;
    config: GuardConfig;
  }) {
    this.#engine = options.engine;
    this.#installation = options.installation;
    this.#images = options.images;
    this.#config = options.config;
    this.#workspaces = new WorkspaceRule(options.engine, options.config.WORKSPACE_ROOTS);
    this.resources = new OwnedResources(options.engine, options.installation);
  }

  static async create(options: {
    engine: EngineSocket;
    installation: Installation;
    config: GuardConfig;
  }): Promise<EngineGuard> {
    return new EngineGuard({ ...options, images: await ImageRule.create(options.config) });
  }

  /** Throws {@link Refusal}, or EngineAnswer for an error of the engine. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<EngineCallName> {
    const call = matchCall(request.method, request.url ?? '');
    // The context of a build is discarded: the guard sends its own.
    const isBuild = call.name === 'buildImage';
    const body = isBuild ? request.resume() && undefined : await readJson(request);
    const decision = await this.#rules[call.name](call, body);
    if ('document' in decision) {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(decision.document));
    } else {
      const { serialize, ...forwarded } = decision;
      const request = { method: call.method, ...forwarded };
      if (serialize) await serialize(() => this.#relay(request, response, { finish: true }));
      else await this.#relay(request, response);
    }
    return call.name;
  }

  readonly #rules: Record<EngineCallName, Rule> = {
    info: async () => ({ document: await this.#info() }),
    findImage: async ({ path, target }) => {
      this.#images.allowLook(target);
      return { path };
    },
    pullImage: async (call) => {
      this.#images.allowPull(call.query);
      return forward(call);
    },
    buildImage: async (call) => {
      const context = this.#images.allowBuild(call.query);
      return { ...forward(call), body: context.pack() };
    },
    createContainer: (call, body) => this.#create(call, body),
    listContainers: async (call) => this.#filtered(call),
    inspectContainer: async ({ target }) => ({ document: await this.resources.describe(target) }),
    startContainer: async (call) => {
      await this.#workspaces.assertStartable(await this.resources.container(call.target));
      return this.#ofContainer(call, '/start');
    },
    stopContainer: (call) => this.#ofContainer(call, '/stop'),
    pauseContainer: (call) => this.#ofContainer(call, '/pause'),
    unpauseContainer: (call) => this.#ofContainer(call, '/unpause'),
    removeContainer: (call) => this.#ofContainer(call, ''),
    measureContainer: (call) => this.#ofContainer({ ...call, query: NO_STREAM }, '/stats'),
    readLog: (call) => this.#ofContainer(call, '/logs'),
    createExec: async (call, body) => ({
      ...(await this.#ofContainer(call, '/exec')),
      body: allowExec(body),
    }),
    startExec: async () => {
      throw new Refusal('the start of an exec requires an upgraded connection');
    },
    inspectExec: async ({ target }) => ({
      path: `/exec/${await this.resources.exec(target)}/json`,
    }),
    listVolumes: async (call) => this.#filtered(call),
    removeVolume: async ({ target }) => ({
      path: `/volumes/${await this.resources.volume(target)}`,
    }),
    readEvents: async (call) => this.#filtered(call, { event: ['oom'] }),
  };

  async #create({ path, query }: MatchedCall, body: unknown): Promise<ForwardedRequest> {
    const id = this.#installation.demand(installationOf(body));
    const { NCPU: cpus } = await this.#info();
    const mount = workspaceMountOf(body);
    if (mount) this.#workspaces.assertOpen(mount.source);
    const [image, workspacePath] = [this.#images.name, mount?.source];
    const allowed = { config: this.#config, image, cpus, workspacePath };
    const made = allowContainer(id, { name: query.name, body }, allowed);
    for (const volume of made.volumes) await this.resources.volumeIfAny(volume);
    return {
      ...{ path: withQuery(path, { name: made.name }), body: made.body },
      ...(mount && { serialize: (send) => this.#workspaces.claim(mount, send) }),
    };
  }

  async #ofContainer({ target, query }: MatchedCall, action: string): Promise<ForwardedRequest> {
    const id = await this.resources.container(target);
    return { path: withQuery(`/containers/${id}${action}`, query) };
  }

  #filtered({ path, query }: MatchedCall, more?: Record<string, unknown>): ForwardedRequest {
    const filters = this.#installation.filter(query.filters, more);
    return { path: withQuery(path, { ...query, filters }) };
  }

  async #info(): Promise<z.output<typeof infoSchema>> {
    return infoSchema.parse(await this.#engine.read('/info'));
  }

  async #relay(
    request: ForwardedRequest & { method: string },
    response: ServerResponse,
    { finish = false } = {},
  ): Promise<void> {
    const gone = new AbortController();
    if (!finish) response.once('close', () => gone.abort());
    const answer = await this.#engine.send(request, gone.signal);
    const { 'content-type': type, 'content-length': length } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, {
      ...(type && { 'Content-Type': type }),
      ...(length && { 'Content-Length': length }),
    });
    response.flushHeaders();
    await pipeline(answer, response);
  }
}

/** Without it the engine streams measurements endlessly. */
const NO_STREAM = { stream: 'false' };

function forward({ path, query }: MatchedCall): ForwardedRequest {
  return { path: withQuery(path, query) };
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = String(new URLSearchParams(query));
  return text === '' ? path : `${path}?${text}`;
}
