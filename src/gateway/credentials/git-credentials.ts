import type { Config } from '../../config/config.ts';
import { PrincipalKeys } from './principal-keys.ts';

/** The user name that GitHub documents for tokens; other names work too. */
const USER = 'x-access-token';

/** The host of a credential, and its principal, unless it is for all. */
type CredentialScope = { host: string; principal?: string | undefined };

/** Credentials of git hosts, for all callers or for one, in DATA_DIR/git-credentials.json. */
export class GitCredentials {
  readonly #keys: PrincipalKeys;

  constructor(config: Pick<Config, 'DATA_DIR' | 'CREDENTIALS_KEY'>) {
    this.#keys = new PrincipalKeys(config, 'git-credentials.json');
  }

  /** The Authorization header for a host; the credential of the principal comes first. Throws `credentials_unreadable`. */
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

  /** Returns whether it existed. */
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
