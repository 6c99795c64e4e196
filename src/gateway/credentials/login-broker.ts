import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import type { AuthFile, SavedAuth, Tokens } from './auth-file.ts';
import { withFileLock } from './file-lock.ts';
import { type Login, toLogin } from './login.ts';
import { LoginRefusedError, type RenewedTokens, type TokenEndpoint } from './token-endpoint.ts';

/** A refusal of a token younger than this has another reason than its age. */
const FRESH_MS = 60_000;
/** Between attempts to renew, or to write, a login that is still valid. */
const RETRY_DELAY_MS = 10_000;
/** The Codex CLI takes no lock: a login that it renewed is in the file a moment later. */
const REREAD_ATTEMPTS = 5;
const REREAD_INTERVAL_MS = 300;

export type LoginBrokerOptions = {
  file: AuthFile;
  endpoint: TokenEndpoint;
  log: Logger;
  now?: () => number;
};

/**
 * The one owner of the ChatGPT login in this process. A refresh token can be used once, so all agents
 * share one renewal under a lock between processes, and a login that another process renewed or
 * replaced is read from the file.
 */
export class LoginBroker {
  readonly #file: AuthFile;
  readonly #endpoint: TokenEndpoint;
  readonly #log: Logger;
  readonly #now: () => number;
  /** The last content of the file. */
  #lastRead: SavedAuth | undefined;
  #login: Login | undefined;
  #tokens: Tokens | undefined;
  #renewing: Promise<void> | undefined;
  #renewedAt = -Infinity;
  #nextTry = -Infinity;
  #unwritten = false;
  #refusal: AppError | undefined;

  constructor(options: LoginBrokerOptions) {
    this.#file = options.file;
    this.#endpoint = options.endpoint;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  get path(): string {
    return this.#file.path;
  }

  /** The current login, expired or not. */
  get current(): Login | undefined {
    return this.#readFile();
  }

  /** `login_revoked`, until the file has another login. */
  get problem(): AppError | undefined {
    this.#readFile();
    return this.#refusal;
  }

  /** A login with a valid access token. Throws like `ModelUpstream.authorize`. */
  async login(): Promise<Login> {
    const login = this.#usable();
    if (this.#unwritten) await this.#writeAgain();
    if (this.#now() < (login.renewAt ?? Infinity)) return login;
    const expired = this.#isExpired(login);
    if (!expired && this.#now() < this.#nextTry) return login;
    try {
      await this.#renew(login);
    } catch (error) {
      if (expired || this.#refusal) throw error;
      this.#nextTry = this.#now() + RETRY_DELAY_MS;
      this.#log.warn({ err: error }, 'ChatGPT login not renewed ahead of its expiry');
    }
    return this.#usable();
  }

  /** Replaces a refused access token; returns whether there is another one now. */
  async replace(accessToken: string): Promise<boolean> {
    const login = this.#usable();
    if (login.accessToken !== accessToken) return true;
    const isFresh = this.#now() - this.#renewedAt < FRESH_MS && !this.#isExpired(login);
    if (login.refreshToken === undefined || isFresh) return false;
    await this.#renew(login);
    return this.#usable().accessToken !== accessToken;
  }

  #readFile(): Login | undefined {
    const saved = this.#file.read();
    if (saved === this.#lastRead) return this.#login;
    const isSameLogin = tokensKey(saved) === tokensKey(this.#lastRead);
    this.#lastRead = saved;
    // The file was touched, but its refresh token is used up: the login in memory is newer.
    if (isSameLogin && this.#unwritten) return this.#login;
    this.#unwritten = false;
    this.#setTokens(saved?.tokens);
    return this.#login;
  }

  #setTokens(tokens: Tokens | undefined): void {
    const isNew =
      tokens?.refresh_token !== this.#tokens?.refresh_token ||
      tokens?.access_token !== this.#tokens?.access_token;
    if (isNew) {
      this.#refusal = undefined;
      this.#nextTry = -Infinity;
    }
    this.#tokens = tokens;
    this.#login = tokens && toLogin(tokens);
  }

  #usable(): Login {
    const login = this.#readFile();
    if (this.#refusal) throw this.#refusal;
    if (login) return login;
    throw new AppError('credentials_missing', `No OAuth tokens found in ${this.#file.path}.`);
  }

  #isExpired({ expiresAt = Infinity }: Login): boolean {
    return this.#now() >= expiresAt;
  }

  #renew(old: Login): Promise<void> {
    this.#renewing ??= withFileLock(this.#file.path, () => this.#renewAlone(old)).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewAlone(old: Login): Promise<void> {
    let login = this.#usable();
    for (;;) {
      if (login.accessToken !== old.accessToken && !this.#isExpired(login)) return;
      const another = await this.#exchange(login);
      if (!another) return;
      login = another;
    }
  }

  /** Returns the login that another process wrote to the file meanwhile, if any. */
  async #exchange(login: Login): Promise<Login | undefined> {
    const { refreshToken } = login;
    if (refreshToken === undefined) throw this.#refuse('it has no refresh token');
    try {
      const renewed = await this.#endpoint.refresh(refreshToken);
      // A logout or another login in the meantime wins.
      if (this.#readFile()?.refreshToken === refreshToken) this.#applyRenewal(renewed);
      return undefined;
    } catch (error) {
      if (!(error instanceof LoginRefusedError)) throw error;
      const another = await this.#awaitNewLogin(refreshToken);
      if (another) return another;
      throw this.#refuse(error.reason);
    }
  }

  #applyRenewal({ access_token, refresh_token, id_token }: RenewedTokens): void {
    this.#setTokens({
      ...this.#tokens,
      access_token,
      ...(refresh_token && { refresh_token }),
      ...(id_token && { id_token }),
    });
    this.#renewedAt = this.#now();
    this.#log.info({ expiresAt: this.#login?.expiresAt }, 'ChatGPT login renewed');
    this.#write();
  }

  /** A login that could not be written stays valid in memory and is written later. */
  #write(): void {
    if (!this.#tokens) return;
    try {
      this.#file.saveTokens(this.#tokens);
      this.#lastRead = this.#file.read();
      this.#unwritten = false;
    } catch (error) {
      this.#unwritten = true;
      this.#nextTry = this.#now() + RETRY_DELAY_MS;
      this.#log.error({ err: error }, 'Renewed ChatGPT login not written; retrying');
    }
  }

  async #writeAgain(): Promise<void> {
    if (this.#now() < this.#nextTry) return;
    this.#nextTry = this.#now() + RETRY_DELAY_MS;
    const write = async () => {
      this.#readFile();
      if (this.#unwritten) this.#write();
    };
    await withFileLock(this.#file.path, write).catch((error) =>
      this.#log.error({ err: error }, 'Renewed ChatGPT login not written; retrying'),
    );
  }

  async #awaitNewLogin(refreshToken: string): Promise<Login | undefined> {
    for (let attempt = 0; attempt < REREAD_ATTEMPTS; attempt += 1) {
      if (attempt > 0) await sleep(REREAD_INTERVAL_MS);
      const login = this.#readFile();
      if (login && login.refreshToken !== refreshToken) return login;
    }
    return undefined;
  }

  #refuse(reason: string): AppError {
    this.#refusal = new AppError(
      'login_revoked',
      `The ChatGPT login of ${this.#file.path} is no longer valid: ${reason}.`,
    );
    this.#log.error({ reason }, 'ChatGPT login refused; no model requests until it is replaced');
    return this.#refusal;
  }
}

function tokensKey(saved: SavedAuth | undefined): string | undefined {
  return saved?.tokens && `${saved.tokens.refresh_token} ${saved.tokens.access_token}`;
}
