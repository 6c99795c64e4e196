import { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';
import { openWebSocket } from '../../src/codex/connection/websocket-stream.ts';
import { settingsSchema } from '../../src/config/settings.ts';
import { createOptions, DOCKER_LAYOUT } from '../../src/runtime/docker/container-options.ts';
import { ExecStream } from '../../src/runtime/docker/exec-stream.ts';
import { BareAppServer } from './bare-app-server.ts';
import type { BenchContext } from './bench-context.ts';
import { removeLabelled } from './labelled.ts';
import type { Work } from './model-probe.ts';

const LABEL = 'codex-mcp.bench';
/** A name for the machine of the engine, as seen from its bridge. */
const ENGINE_HOST = 'host.docker.internal';
const REACHES_ENGINE_HOST = { ExtraHosts: [`${ENGINE_HOST}:host-gateway`] };
const APP_SERVER = ['codex', 'app-server', '--listen', 'unix:///tmp/app.sock'];

/**
 * `plain`: `docker run IMAGE`. The others have the very flags and volumes of an agent, and this
 * network; with `none` no model can be reached.
 */
export type RawKind = 'plain' | 'none' | 'bridge' | 'host';

/** Containers of the agent image that nobody but the benchmark made. */
export class RawContainers {
  readonly #context: BenchContext;
  readonly #docker: Docker;
  readonly #run = `bench-${process.pid}-${Date.now()}`;
  readonly #facts: EngineFacts;
  #made = 0;

  private constructor(context: BenchContext, docker: Docker, facts: EngineFacts) {
    this.#context = context;
    this.#docker = docker;
    this.#facts = facts;
    context.cleanup.defer(() => this.removeAll());
  }

  static async prepare(
    context: BenchContext,
    docker: Docker,
    image: string,
  ): Promise<RawContainers> {
    const { NCPU } = await docker.info();
    return new RawContainers(context, docker, { image, cpus: NCPU });
  }

  /** Creates and starts a container with an app-server in it; answers its id. */
  async start(kind: RawKind): Promise<string> {
    this.#context.interrupted.throwIfAborted();
    const container = await this.#docker.createContainer(
      kind === 'plain' ? this.#plain() : this.#locked(kind),
    );
    await container.start();
    return container.id;
  }

  /** Speaks to the app-server through `codex app-server proxy`, as the product does. */
  async connect(id: string): Promise<BareAppServer> {
    const stream = await this.#exec(id, DOCKER_LAYOUT.appServerProxy);
    const { messages } = openWebSocket(stream);
    messages.on('error', () => undefined);
    return BareAppServer.connect({ incoming: messages, send: (text) => messages.write(text) });
  }

  async startThread(server: BareAppServer, work: Work): Promise<void> {
    await server.startThread(DOCKER_LAYOUT.workspace, work);
  }

  /** Makes the workspace what that of an agent is. */
  async makeRepository(id: string): Promise<void> {
    const stream = await this.#exec(id, ['git', 'init', '-q', DOCKER_LAYOUT.workspace]);
    await finished(stream.resume());
  }

  /** Removes the containers and volumes made so far. */
  async removeAll(): Promise<void> {
    await removeLabelled(this.#docker, `${LABEL}=${this.#run}`);
  }

  async #exec(id: string, command: readonly string[]): Promise<ExecStream> {
    const exec = await this.#docker.getContainer(id).exec({
      Cmd: [...command],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const connection: unknown = await exec.start({ hijack: true, stdin: true });
    if (!(connection instanceof Duplex)) throw new Error('The engine gives no connection.');
    const stream = new ExecStream(connection);
    stream.stderr.resume();
    return stream;
  }

  #plain(): Docker.ContainerCreateOptions {
    const { image } = this.#facts;
    return { Image: image, ...this.#appServer(ENGINE_HOST), HostConfig: REACHES_ENGINE_HOST };
  }

  #locked(network: Exclude<RawKind, 'plain'>): Docker.ContainerCreateOptions {
    const { image, cpus } = this.#facts;
    const agentId = `raw-${++this.#made}`;
    const shape = { config: settingsSchema.parse({}), image, imageId: '', cpus };
    const options = createOptions(this.#run, { agentId, env: {} }, shape);
    for (const { VolumeOptions: volume } of options.HostConfig?.Mounts ?? []) {
      if (volume) volume.Labels = { [LABEL]: this.#run };
    }
    const HostConfig = {
      ...options.HostConfig,
      NetworkMode: network,
      ...(network === 'bridge' && REACHES_ENGINE_HOST),
    };
    // The engine gives no host name to a container with the network of the host.
    const named = network === 'host' ? { Hostname: undefined } : {};
    const modelHost = network === 'bridge' ? ENGINE_HOST : '127.0.0.1';
    return { ...options, ...named, ...this.#appServer(modelHost), HostConfig };
  }

  #appServer(modelHost: string): Docker.ContainerCreateOptions {
    const { model } = this.#context;
    return {
      Labels: { [LABEL]: this.#run },
      Entrypoint: APP_SERVER,
      Cmd: ['-c', `model_providers.gateway.base_url="${model.urlAt(modelHost)}"`],
      Env: [`CODEX_GATEWAY_TOKEN=${model.key}`],
    };
  }
}

type EngineFacts = { image: string; cpus: number };
