import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';
import { AppError } from '../../errors.ts';
import { DISK_FULL } from '../disk-full.ts';
import type { Engine } from './engine.ts';
import { engineError, engineStatus } from './engine-errors.ts';
import { readProgress } from './engine-progress.ts';
import { type ImageContext, readImageContext } from './image-context.ts';

const ERROR_LINES = 15;

export type ImageConfig = Pick<Config, 'AGENT_BASE_IMAGE' | 'AGENT_IMAGE' | 'EXTRA_CA_CERTS'>;
type OnProgress = (line: string) => void;

/** The image of the agents: `AGENT_IMAGE`, or the one built from agent-image/. */
export class AgentImage {
  readonly #engine: Engine;
  readonly #config: ImageConfig;
  readonly #contextDirectory: string | undefined;
  readonly #listeners = new Set<OnProgress>();
  #context: Promise<ImageContext> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: { engine: Engine; config: ImageConfig; contextDirectory?: string }) {
    this.#engine = options.engine;
    this.#config = options.config;
    this.#contextDirectory = options.contextDirectory;
  }

  async name(): Promise<string> {
    return this.#config.AGENT_IMAGE ?? (await this.#readContext()).tag;
  }

  /** Id of the image on the engine; undefined if the image is missing. */
  async id(): Promise<string | undefined> {
    return (await this.inspect())?.Id;
  }

  async inspect(): Promise<Docker.ImageInspectInfo | undefined> {
    return this.#find(await this.name());
  }

  /** Builds or pulls a missing image. Concurrent calls share one run and its output. */
  async ensure(onProgress: OnProgress): Promise<void> {
    this.#listeners.add(onProgress);
    try {
      this.#running ??= this.#make().finally(() => {
        this.#running = undefined;
      });
      await this.#running;
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
    const message = `The engine does not have the image ${image} and cannot pull it: ${reason}`;
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
    const code = DISK_FULL.test(lines.join('\n')) ? 'no_space' : 'image_build_failed';
    const tail = lines.slice(-ERROR_LINES).join('\n');
    throw new AppError(
      code,
      `The agent image could not be built. The last lines of the build:\n${tail}`,
    );
  }

  async #ensureBase(): Promise<void> {
    const base = this.#config.AGENT_BASE_IMAGE;
    if (await this.#find(base)) return;
    const reason = await this.#pull(base);
    if (reason === undefined) return;
    const message = `The engine does not have the base image ${base} and cannot pull it: ${reason.replace(/\.?\s*$/, '.')} Load the image, or set AGENT_BASE_IMAGE to another one.`;
    throw new AppError('image_build_failed', message);
  }

  /** Returns why the engine cannot pull an image; undefined after success. */
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
