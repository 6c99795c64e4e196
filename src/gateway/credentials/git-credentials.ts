import type { Config } from '../../config/config.ts';
import { PrincipalKeys } from './principal-keys.ts';

/** Hosts of GitHub take any name, and this is the one that they name. */
const USER = 'x-access-token';

/** Whose a credential is, or everybody's. */
type CredentialScope = { host: string; principal?: string | undefined };

/** What hosts of git repositories want to be shown, for all callers or for one, in DATA_DIR/git-credentials.json. */
export class GitCredentials {
  readonly #keys: PrincipalKeys;

  constructor(config: Pick<Config, 'DATA_DIR' | 'CREDENTIALS_KEY'>) {
    this.#keys = new PrincipalKeys(config, 'git-credentials.json');
  }

  /** The header for a repository; the caller's own credential first. Throws `credentials_unreadable`. */
  authorizationFor({ host, principal }: CredentialScope): string | undefined {
    const own = principal === undefined ? undefined : this.#keys.find(nameOf({ host, principal }));
    const secret = own ?? this.#keys.find(nameOf({ host }));
    if (secret === undefined) return undefined;
    const login = secret.includes(':') ? secret : `${USER}:${secret}`;
    return `Basic ${Buffer.from(login).toString('base64')}`;
  }

  /** A token, or `USER:PASSWORD`. Throws `credentials_unreadable`. */
  set(scope: CredentialScope, secret: string): Promise<void> {
    return this.#keys.set(nameOf(scope), secret);
  }

  /** Answers whether there was one. */
  remove(scope: CredentialScope): Promise<boolean> {
    return this.#keys.remove(nameOf(scope));
  }

  list(): { name: string; addedAt: string }[] {
    return this.#keys
      .list()
      .map(({ principal, addedAt }) => ({ name: `git:${principal}`, addedAt }));
  }
}

function nameOf({ host, principal }: CredentialScope): string {
  const name = host.toLowerCase();
  return principal === undefined ? name : `${name} ${principal}`;
}
