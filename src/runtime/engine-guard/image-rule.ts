import type { ImageConfig } from '../docker/agent-image.ts';
import { type ImageContext, readImageContext } from '../docker/image-context.ts';
import { Refusal } from './refusal.ts';

/** The images that agents may be made of: the one that is named, else the one of agent-image/ and its base. */
export class ImageRule {
  readonly #config: ImageConfig;
  readonly #context: ImageContext;

  private constructor(config: ImageConfig, context: ImageContext) {
    this.#config = config;
    this.#context = context;
  }

  static async create(config: ImageConfig): Promise<ImageRule> {
    const context = await readImageContext({
      baseImage: config.AGENT_BASE_IMAGE,
      certificatesFile: config.EXTRA_CA_CERTS,
    });
    return new ImageRule(config, context);
  }

  /** What agents are made of. */
  get name(): string {
    return this.#config.AGENT_IMAGE ?? this.#context.tag;
  }

  allowLook(image: string): void {
    if (image === this.name || image === this.#config.AGENT_BASE_IMAGE) return;
    throw new Refusal(`the image is neither ${this.name} nor ${this.#config.AGENT_BASE_IMAGE}`);
  }

  /** The engine takes a tag and a digest in the same place. */
  allowPull({ fromImage = '', tag = '' }: Readonly<Record<string, string>>): void {
    const { AGENT_IMAGE, AGENT_BASE_IMAGE } = this.#config;
    const asked = [`${fromImage}:${tag}`, `${fromImage}@${tag}`, tag === 'latest' && fromImage];
    if (tag !== '' && [AGENT_IMAGE, AGENT_BASE_IMAGE].some((name) => asked.includes(name ?? ''))) {
      return;
    }
    throw new Refusal('the image is neither AGENT_IMAGE nor AGENT_BASE_IMAGE');
  }

  /** What is built is of the guard's own files, so that nobody else's instructions run. */
  allowBuild({ t, buildargs }: Readonly<Record<string, string>>): ImageContext {
    if (this.#config.AGENT_IMAGE !== undefined) {
      throw new Refusal(`nothing is built: AGENT_IMAGE is ${this.#config.AGENT_IMAGE}`);
    }
    const { tag, buildArguments } = this.#context;
    if (t !== tag || buildargs !== JSON.stringify(buildArguments)) {
      throw new Refusal(`the image to build is not ${tag}, which the settings of the guard make`);
    }
    return this.#context;
  }
}
