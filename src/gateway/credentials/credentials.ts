import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { homeDirectories } from '../../config/home-directories.ts';
import { AppError } from '../../errors.ts';
import type { Authorization, ModelUpstream } from '../model-upstream.ts';
import { ApiKeyUpstream } from './api-key-upstream.ts';
import { AuthFile } from './auth-file.ts';
import type { CredentialSource } from './credential-source.ts';
import { findAuthFile } from './find-auth-file.ts';
import { LoginBroker } from './login-broker.ts';
import { LoginUpstream, TokenUpstream } from './login-upstream.ts';
import { PrincipalKeys } from './principal-keys.ts';
import { TokenEndpoint } from './token-endpoint.ts';

/** The credentials as health shows them, without secrets. */
export type CredentialsReport = {
  method: 'api_key' | 'oauth' | 'none';
  /** `auth.json`, or the variable that holds the secret. */
  origin: string | null;
  ready: boolean;
  expires_at: string | null;
};

type Sources = readonly [CredentialSource, ...CredentialSource[]];

/** Chooses the credentials of each model request among all sources. */
export class Credentials implements ModelUpstream {
  readonly #sources: Sources;
  readonly #keys: PrincipalKeys;
  readonly #keyUrl: string;
  readonly #missing: string;
  readonly #log: Logger;
  readonly #sourceOf = new WeakMap<Authorization, CredentialSource>();
  #announcedOrigin: string | null | undefined;
  #injected = false;

  constructor(config: Config, log: Logger) {
    const file = new AuthFile(findAuthFile(config, homeDirectories()));
    this.#log = log;
    this.#keys = new PrincipalKeys(config);
    this.#keyUrl = new ApiKeyUpstream(config).baseUrl;
    this.#sources = sourcesOf(config, file, log);
    const oauth = this.#sources.some(({ method }) => method === 'oauth');
    const key = this.#sources.some(({ method }) => method === 'api_key');
    this.#missing = [
      ...(oauth ? [`No OAuth tokens found: there is no login in ${file.path}.`] : []),
      ...(key ? [`There is no key for the model provider "${config.CODEX_PROVIDER}".`] : []),
    ].join(' ');
  }

  /** Base URL of the source that is in use, or of the first source. */
  get baseUrl(): string {
    return (this.#find() ?? this.#sources[0]).baseUrl;
  }

  /** Why turns are refused. Undefined if some principal has a key of its own. */
  get refusal(): AppError | undefined {
    const { problem } = this;
    return problem && this.#keys.list().length === 0 ? problem : undefined;
  }

  /** Why the server has no usable credentials: `credentials_missing` or `login_revoked`. */
  get problem(): AppError | undefined {
    const source = this.#find();
    return source ? source.problem : new AppError('credentials_missing', this.#missing);
  }

  get report(): CredentialsReport {
    const source = this.#find();
    const expiresAt = source?.expiresAt;
    return {
      method: source?.method ?? 'none',
      origin: source?.origin ?? null,
      ready: this.problem === undefined,
      expires_at: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    };
  }

  async authorize(payer?: string): Promise<Authorization> {
    const own = payer === undefined ? undefined : this.#keys.find(payer);
    if (own !== undefined) {
      const headers = { authorization: `Bearer ${own}` };
      return { baseUrl: this.#keyUrl, billed: false, headers };
    }
    const source = this.#find();
    if (!source) throw new AppError('credentials_missing', this.#missing);
    this.#announce(source);
    const authorization = await source.authorize();
    if (source.method === 'oauth') this.#announceSuccess();
    this.#sourceOf.set(authorization, source);
    return authorization;
  }

  async renew(rejected: Authorization): Promise<boolean> {
    return (await this.#sourceOf.get(rejected)?.renew?.(rejected)) ?? false;
  }

  /** Logs at the start whether the credentials work, which renews an expired login. */
  async check(): Promise<void> {
    await this.authorize().catch((error) => {
      this.#log.warn({ err: error }, 'No credentials for the model');
    });
  }

  #announce({ method, origin }: CredentialSource): void {
    if (this.#announcedOrigin === origin) return;
    this.#announcedOrigin = origin;
    this.#injected = false;
    this.#log.info({ method, origin }, ANNOUNCEMENTS[method]);
  }

  #announceSuccess(): void {
    if (!this.#injected) this.#log.info('OAuth tokens injected successfully');
    this.#injected = true;
  }

  #find(): CredentialSource | undefined {
    return this.#sources.find(({ present }) => present);
  }
}

const ANNOUNCEMENTS = {
  oauth: 'Injecting OAuth tokens for ChatGPT subscription authentication',
  api_key: 'Using an API key',
} as const;

/** In the order of preference. A key never replaces a refused login, because the key costs more. */
function sourcesOf(config: Config, file: AuthFile, log: Logger): Sources {
  const { CHATGPT_BASE_URL: baseUrl, CODEX_AUTH_METHOD: method } = config;
  const key = new ApiKeyUpstream(config, file);
  const broker = new LoginBroker({ file, endpoint: new TokenEndpoint(config), log });
  const logins: Sources = [
    new LoginUpstream(broker, baseUrl),
    new TokenUpstream(config.CHATGPT_OAUTH_TOKEN, baseUrl),
  ];
  if (method === 'oauth') return logins;
  const isOwnEndpoint = config.CODEX_PROVIDER !== 'openai' || config.OPENAI_BASE_URL !== undefined;
  if (method === 'api_key' || isOwnEndpoint) return [key];
  return config.CODEX_PREFER_OAUTH ? [...logins, key] : [key, ...logins];
}
