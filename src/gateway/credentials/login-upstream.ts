import { AppError } from '../../errors.ts';
import type { Authorization } from '../model-upstream.ts';
import type { CredentialSource } from './credential-source.ts';
import { authorizationOf, type Login, toLogin } from './login.ts';
import type { LoginBroker } from './login-broker.ts';

/** The ChatGPT backend, with the login of auth.json. */
export class LoginUpstream implements CredentialSource {
  readonly method = 'oauth';
  readonly origin = 'auth.json';
  readonly #broker: LoginBroker;
  readonly baseUrl: string;

  constructor(broker: LoginBroker, baseUrl: string) {
    this.#broker = broker;
    this.baseUrl = baseUrl;
  }

  get present(): boolean {
    return this.#broker.current !== undefined;
  }

  get problem(): AppError | undefined {
    return this.#broker.problem;
  }

  get expiresAt(): number | undefined {
    return this.#broker.current?.expiresAt;
  }

  async authorize(): Promise<Authorization> {
    return authorizationOf(await this.#broker.login(), this.baseUrl);
  }

  renew({ headers }: Authorization): Promise<boolean> {
    return this.#broker.replace(headers.authorization?.replace('Bearer ', '') ?? '');
  }
}

/** The ChatGPT backend, with an access token that cannot be renewed. */
export class TokenUpstream implements CredentialSource {
  readonly method = 'oauth';
  readonly origin = 'CHATGPT_OAUTH_TOKEN';
  readonly #login: Login | undefined;
  readonly baseUrl: string;

  constructor(token: string | undefined, baseUrl: string) {
    this.#login = token === undefined ? undefined : toLogin({ access_token: token });
    this.baseUrl = baseUrl;
  }

  get present(): boolean {
    return this.#login !== undefined;
  }

  get expiresAt(): number | undefined {
    return this.#login?.expiresAt;
  }

  get problem(): AppError | undefined {
    if (Date.now() < (this.expiresAt ?? Infinity)) return undefined;
    return new AppError('login_revoked', 'The access token in CHATGPT_OAUTH_TOKEN has expired.');
  }

  async authorize(): Promise<Authorization> {
    const { problem } = this;
    if (problem) throw problem;
    if (this.#login) return authorizationOf(this.#login, this.baseUrl);
    throw new AppError('credentials_missing', 'CHATGPT_OAUTH_TOKEN is not set.');
  }
}
