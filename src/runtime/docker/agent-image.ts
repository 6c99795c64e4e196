import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';
import { AppError } from '../../errors.ts';
import type { Engine } from './engine.ts';
import { engineError, engineStatus, saysNoSpace } from './engine-errors.ts';
import { readProgress } from './engine-progress.ts';
import { type ImageContext, readImageContext } from './image-context.ts';

const SHOWN_LINES = 15;

export type ImageConfig = Pick<Config, 'AGENT_BASE_IMAGE' | 'AGENT_IMAGE' | 'EXTRA_CA_CERTS'>;
type OnProgress = (line: string) => void;

/** The image of the agents: the one that is named, else the one built from agent-image/. */
export class AgentImage {
  readonly #engine: Engine;
  readonly #config: ImageConfig;
  readonly #contextDirectory: string | undefined;
  readonly #listeners = new Set<OnProgress>();
  #context: Promise<ImageContext> | undefined;
  #making: Promise<void> | undefined;

  constructor(options: { engine: Engine; config: ImageConfig; contextDirectory?: string }) {
    this.#engine = options.engine;
    this.#config = options.config;
    this.#contextDirectory = options.contextDirectory;
  }

  async name(): Promise<string> {
    return this.#config.AGENT_IMAGE ?? (await this.#readContext()).tag;
  }

  /** The engine's id of the image, if it is there. */
  async id(): Promise<string | undefined> {
    return (await this.inspect())?.Id;
  }

  /** What the engine knows of the image, if it is there. */
  async inspect(): Promise<Docker.ImageInspectInfo | undefined> {
    return this.#find(await this.name());
  }

  /** Builds or pulls the image if it is missing. Concurrent calls share one run and its output. */
  async ensure(onProgress: OnProgress): Promise<void> {
    this.#listeners.add(onProgress);
    try {
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined;
      });
      await this.#making;
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  async #make(): Promise<void> {
    if (await this.id()) return;
    if (this.#config.AGENT_IMAGE === undefined) await this.#build(await this.#readContext());
    else await this.#pullNamed(this.#config.AGENT_IMAGE);
  }

  async #pullNamed(image: string): Promise<void> {
    const reason = await this.#pull(image);
    if (reason === undefined) return;
    const message = `The image ${image} is not on the engine and cannot be pulled: ${reason}`;
    throw new AppError('image_missing', message);
  }

  async #build(context: ImageContext): Promise<void> {
    await this.#ensureBase();
    const lines: string[] = [];
    const stream = await this.#engine.callUnbounded('build the agent image', () =>
      this.#engine.docker.buildImage(context.pack(), {
        t: context.tag,
        buildargs: context.buildArguments,
        forcerm: true,
      }),
    );
    const end = await this.#follow(stream, (line) => lines.push(line));
    if (end.error === undefined && (await this.id())) return;
    const code = saysNoSpace(lines.join('\n')) ? 'no_space' : 'image_build_failed';
    const tail = lines.slice(-SHOWN_LINES).join('\n');
    throw new AppError(code, `The agent image could not be built. Its last lines:\n${tail}`);
  }

  async #ensureBase(): Promise<void> {
    const base = this.#config.AGENT_BASE_IMAGE;
    if (await this.#find(base)) return;
    const reason = await this.#pull(base);
    if (reason === undefined) return;
    const message = `The base image ${base} is not on the engine and cannot be pulled: ${reason.replace(/\.?\s*$/, '.')} Pull or load it, or name another with AGENT_BASE_IMAGE.`;
    throw new AppError('image_build_failed', message);
  }

  /** Answers why an image cannot be pulled, or nothing if it was. */
  async #pull(image: string): Promise<string | undefined> {
    try {
      const stream = await this.#engine.docker.pull(image);
      return (await this.#follow(stream, () => {})).error;
    } catch (error) {
      const failure = engineError(error, `pull ${image}`);
      if (failure.code !== 'engine_failed' && failure.code !== 'image_missing') throw failure;
      return failure.message;
    }
  }

  #follow(stream: NodeJS.ReadableStream, onLine: OnProgress): Promise<{ error?: string }> {
    return this.#engine.callUnbounded('report its progress', () =>
      readProgress(new Readable().wrap(stream), (line) => {
        onLine(line);
        for (const listener of this.#listeners) listener(line);
      }),
    );
  }

  async #find(image: string): Promise<Docker.ImageInspectInfo | undefined> {
    try {
      return await this.#engine.call(`look for the image ${image}`, () =>
        this.#engine.docker.getImage(image).inspect(),
      );
    } catch (error) {
      if (engineStatus(error) === 404) return undefined;
      throw error;
    }
  }

  #readContext(): Promise<ImageContext> {
    this.#context ??= readImageContext({
      baseImage: this.#config.AGENT_BASE_IMAGE,
      certificatesFile: this.#config.EXTRA_CA_CERTS,
      ...(this.#contextDirectory && { directory: this.#contextDirectory }),
    });
    return this.#context;
  }
}
