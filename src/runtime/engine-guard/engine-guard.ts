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
import { OwnThings } from './owned-resources.ts';
import { Refusal } from './refusal.ts';
import { readJson } from './request-body.ts';
import { WorkspaceRule } from './workspace-rule.ts';

export type GuardConfig = ContainerConfig & ImageConfig & Pick<Config, 'WORKSPACE_ROOTS'>;

/** What decides how containers are made: server and guard must have the same. */
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

/** What the engine is asked instead of what the guard was asked. */
type Passage = {
  path: string;
  body?: string | NodeJS.ReadableStream;
  /** Asks the engine when it is the turn of this one, whether or not anybody still waits for the answer. */
  inTurn?: (ask: () => Promise<void>) => Promise<void>;
};
type Answer = { document: unknown };
type Rule = (call: MatchedCall, body: unknown) => Promise<Passage | Answer>;

/** Of what an engine tells of itself, that which a server reads; the rest may hold secrets of proxies. */
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

/** Decides on every request but the connections of execs. What the engine is sent is made anew here. */
export class EngineGuard {
  readonly things: OwnThings;
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
    this.things = new OwnThings(options.engine, options.installation);
  }

  static async create(options: {
    engine: EngineSocket;
    installation: Installation;
    config: GuardConfig;
  }): Promise<EngineGuard> {
    return new EngineGuard({ ...options, images: await ImageRule.create(options.config) });
  }

  /** Throws {@link Refusal}, and EngineAnswer where the engine itself says no. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<EngineCallName> {
    const call = matchCall(request.method, request.url ?? '');
    // What comes with a build is not looked at, since it goes nowhere.
    const isBuild = call.name === 'buildImage';
    const body = isBuild ? request.resume() && undefined : await readJson(request);
    const passage = await this.#rules[call.name](call, body);
    if ('document' in passage) {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(passage.document));
    } else {
      const { inTurn, ...asked } = passage;
      const request = { method: call.method, ...asked };
      if (inTurn) await inTurn(() => this.#relay(request, response, { finish: true }));
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
      return passage(call);
    },
    buildImage: async (call) => {
      const context = this.#images.allowBuild(call.query);
      return { ...passage(call), body: context.pack() };
    },
    createContainer: (call, body) => this.#create(call, body),
    listContainers: async (call) => this.#filtered(call),
    inspectContainer: async ({ target }) => ({ document: await this.things.describe(target) }),
    startContainer: async (call) => {
      await this.#workspaces.assertStartable(await this.things.container(call.target));
      return this.#ofContainer(call, '/start');
    },
    stopContainer: (call) => this.#ofContainer(call, '/stop'),
    pauseContainer: (call) => this.#ofContainer(call, '/pause'),
    unpauseContainer: (call) => this.#ofContainer(call, '/unpause'),
    removeContainer: (call) => this.#ofContainer(call, ''),
    measureContainer: (call) => this.#ofContainer({ ...call, query: STREAM_NOT }, '/stats'),
    readLog: (call) => this.#ofContainer(call, '/logs'),
    createExec: async (call, body) => ({
      ...(await this.#ofContainer(call, '/exec')),
      body: allowExec(body),
    }),
    startExec: async () => {
      throw new Refusal('an exec is started with an upgraded connection');
    },
    inspectExec: async ({ target }) => ({ path: `/exec/${await this.things.exec(target)}/json` }),
    listVolumes: async (call) => this.#filtered(call),
    removeVolume: async ({ target }) => ({ path: `/volumes/${await this.things.volume(target)}` }),
    readEvents: async (call) => this.#filtered(call, { event: ['oom'] }),
  };

  async #create({ path, query }: MatchedCall, body: unknown): Promise<Passage> {
    const id = this.#installation.demand(installationOf(body));
    const { NCPU: cpus } = await this.#info();
    const mount = workspaceMountOf(body);
    if (mount) this.#workspaces.assertOpen(mount.source);
    const [image, workspacePath] = [this.#images.name, mount?.source];
    const allowed = { config: this.#config, image, cpus, workspacePath };
    const made = allowContainer(id, { name: query.name, body }, allowed);
    for (const volume of made.volumes) await this.things.volumeIfAny(volume);
    return {
      ...{ path: withQuery(path, { name: made.name }), body: made.body },
      ...(mount && { inTurn: (ask) => this.#workspaces.claim(mount, ask) }),
    };
  }

  async #ofContainer({ target, query }: MatchedCall, act: string): Promise<Passage> {
    const id = await this.things.container(target);
    return { path: withQuery(`/containers/${id}${act}`, query) };
  }

  #filtered({ path, query }: MatchedCall, more?: Record<string, unknown>): Passage {
    const filters = this.#installation.filter(query.filters, more);
    return { path: withQuery(path, { ...query, filters }) };
  }

  async #info(): Promise<z.output<typeof infoSchema>> {
    return infoSchema.parse(await this.#engine.read('/info'));
  }

  async #relay(
    request: Passage & { method: string },
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

/** An engine measures for ever unless it is told not to. */
const STREAM_NOT = { stream: 'false' };

function passage({ path, query }: MatchedCall): Passage {
  return { path: withQuery(path, query) };
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = String(new URLSearchParams(query));
  return text === '' ? path : `${path}?${text}`;
}
