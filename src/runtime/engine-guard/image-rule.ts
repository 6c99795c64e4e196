import type { ImageConfig } from '../docker/agent-image.ts';
import { type ImageContext, readImageContext } from '../docker/image-context.ts';
import { Refusal } from './refusal.ts';

/** The allowed images: `AGENT_IMAGE`, or the one built from agent-image/, and its base image. */
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

  /** The image of agents. */
  get name(): string {
    return this.#config.AGENT_IMAGE ?? this.#context.tag;
  }

  allowLook(image: string): void {
    if (image === this.name || image === this.#config.AGENT_BASE_IMAGE) return;
    throw new Refusal(`the image is neither ${this.name} nor ${this.#config.AGENT_BASE_IMAGE}`);
  }

  /** The parameter `tag` is a tag or a digest. */
  allowPull({ fromImage = '', tag = '' }: Readonly<Record<string, string>>): void {
    const { AGENT_IMAGE, AGENT_BASE_IMAGE } = this.#config;
    const asked = [`${fromImage}:${tag}`, `${fromImage}@${tag}`, tag === 'latest' && fromImage];
    if (tag !== '' && [AGENT_IMAGE, AGENT_BASE_IMAGE].some((name) => asked.includes(name ?? ''))) {
      return;
    }
    throw new Refusal('the image is neither AGENT_IMAGE nor AGENT_BASE_IMAGE');
  }

  /** Builds use the guard's own context, so the server cannot add instructions. */
  allowBuild({ t, buildargs }: Readonly<Record<string, string>>): ImageContext {
    if (this.#config.AGENT_IMAGE !== undefined) {
      throw new Refusal(`no image is built, since AGENT_IMAGE is ${this.#config.AGENT_IMAGE}`);
    }
    const { tag, buildArguments } = this.#context;
    if (t !== tag || buildargs !== JSON.stringify(buildArguments)) {
      throw new Refusal(`the image to build is not ${tag}, as by the settings of the guard`);
    }
    return this.#context;
  }
}
