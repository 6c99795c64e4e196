import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Authorization } from '../model-upstream.ts';
import type { AuthFile } from './auth-file.ts';
import type { CredentialSource } from './credential-source.ts';

const OPENAI_BASE_URL = 'https://api.openai.com/v1';

type KeyConfig = Pick<Config, 'OPENAI_API_KEY' | 'OPENAI_BASE_URL' | 'CODEX_PROVIDER'>;

/** The model provider of the configuration, with an API key. */
export class ApiKeyUpstream implements CredentialSource {
  readonly method = 'api_key';
  readonly baseUrl: string;
  readonly #configured: string | undefined;
  readonly #file: AuthFile | undefined;
  readonly #provider: string;

  constructor(config: KeyConfig, file?: AuthFile) {
    this.baseUrl = config.OPENAI_BASE_URL ?? OPENAI_BASE_URL;
    this.#configured = config.OPENAI_API_KEY;
    this.#provider = config.CODEX_PROVIDER;
    // A key that was saved for OpenAI must not be sent to another provider.
    const isOpenAi = config.CODEX_PROVIDER === 'openai' && config.OPENAI_BASE_URL === undefined;
    this.#file = isOpenAi ? file : undefined;
  }

  get origin(): string | null {
    if (this.#configured !== undefined) return 'OPENAI_API_KEY';
    return this.#saved() === undefined ? null : 'auth.json';
  }

  /** Whether requests can be made. OpenAI requires a key, other providers may not. */
  get present(): boolean {
    return this.#key() !== undefined || this.#provider !== 'openai';
  }

  async authorize(): Promise<Authorization> {
    const key = this.#key();
    const { baseUrl } = this;
    if (key !== undefined) return { baseUrl, headers: { authorization: `Bearer ${key}` } };
    if (this.present) return { baseUrl, headers: {} };
    throw new AppError('credentials_missing', 'OPENAI_API_KEY is not set.');
  }

  #key(): string | undefined {
    return this.#configured ?? this.#saved();
  }

  #saved(): string | undefined {
    return this.#file?.read()?.apiKey;
  }
}
