import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { ModelUpstream } from '../gateway/model-upstream.ts';

const OPENAI_BASE_URL = 'https://api.openai.com/v1';

/** The provider named by the configuration, paid with its API key. */
export class ApiKeyUpstream implements ModelUpstream {
  readonly baseUrl: string;
  readonly #apiKey: string | undefined;
  readonly #provider: string;

  constructor(config: Pick<Config, 'OPENAI_API_KEY' | 'OPENAI_BASE_URL' | 'CODEX_PROVIDER'>) {
    this.baseUrl = config.OPENAI_BASE_URL ?? OPENAI_BASE_URL;
    this.#apiKey = config.OPENAI_API_KEY;
    this.#provider = config.CODEX_PROVIDER;
  }

  /** Whether requests can be made. Only providers other than OpenAI may do without a key. */
  get ready(): boolean {
    return this.#apiKey !== undefined || this.#provider !== 'openai';
  }

  async authorize(): Promise<Readonly<Record<string, string>>> {
    if (this.#apiKey !== undefined) return { authorization: `Bearer ${this.#apiKey}` };
    if (this.ready) return {};
    throw new AppError('credentials_missing', 'No OPENAI_API_KEY is set.');
  }
}
