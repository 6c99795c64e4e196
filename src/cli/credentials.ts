import { parseArgs } from 'node:util';
import { GitCredentials } from '../gateway/credentials/git-credentials.ts';
import { PrincipalKeys } from '../gateway/credentials/principal-keys.ts';
import { loadConfig } from '../server/load-config.ts';
import { UsageError } from './failure.ts';
import { secretFromStdin } from './login.ts';

const PRINCIPAL = /^[\x21-\x7e]{1,200}$/;
const GIT = 'git:';
const USAGE =
  'credentials needs: set PRINCIPAL, remove PRINCIPAL, set git:HOST [PRINCIPAL], remove git:HOST [PRINCIPAL], or list.';

/** How the credential of a name is changed, and the messages. */
type Actions = {
  set(secret: string): Promise<void>;
  remove(): Promise<boolean>;
  stored: string;
  removed: string;
  missing: string;
};

/** `credentials set|remove|list`: API keys of principals, and credentials of git hosts. */
export async function credentials(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'env-file': { type: 'string', default: '.env' } },
  });
  const [action, name, principal, ...others] = positionals;
  const config = loadConfig(process.env, values['env-file']);
  const stores = { keys: new PrincipalKeys(config), git: new GitCredentials(config) };
  if (action === 'list' && name === undefined) return list(stores);
  if ((action !== 'set' && action !== 'remove') || name === undefined || others.length > 0) {
    throw new UsageError(USAGE);
  }
  const actions = name.startsWith(GIT)
    ? forGit(stores, name.slice(GIT.length), principal)
    : forPrincipal(stores, name, principal);
  await (action === 'set' ? set(actions) : remove(actions));
}

type Stores = { keys: PrincipalKeys; git: GitCredentials };

function forPrincipal({ keys }: Stores, principal: string, more: string | undefined): Actions {
  if (more !== undefined) throw new UsageError(USAGE);
  assertPrincipal(principal);
  return {
    set: (key) => keys.set(principal, key),
    remove: () => keys.remove(principal),
    stored: `Agents of ${principal} use this key from now on.`,
    removed: `The key of ${principal} is removed.`,
    missing: `${principal} has no key.`,
  };
}

function forGit({ git }: Stores, host: string, principal: string | undefined): Actions {
  if (URL.parse(`https://${host}/`)?.host !== host.toLowerCase()) {
    throw new UsageError(
      'git: must be followed by the host of an https URL, such as git:github.com.',
    );
  }
  if (principal !== undefined) assertPrincipal(principal);
  const scope = { host, principal };
  const whose = principal === undefined ? 'all callers' : principal;
  return {
    set: (secret) => git.set(scope, secret),
    remove: () => git.remove(scope),
    stored: `Clones from ${host} use this credential for ${whose} from now on.`,
    removed: `The credential of ${host} for ${whose} is removed.`,
    missing: `There is no credential of ${host} for ${whose}.`,
  };
}

function assertPrincipal(principal: string): void {
  if (PRINCIPAL.test(principal)) return;
  throw new UsageError('A principal is at most 200 characters without spaces.');
}

async function set(actions: Actions): Promise<void> {
  await actions.set(await secretFromStdin('printenv KEY | codex-hangar credentials set NAME'));
  console.log(actions.stored);
}

async function remove(actions: Actions): Promise<void> {
  const removed = await actions.remove();
  console.log(removed ? actions.removed : actions.missing);
  if (!removed) process.exitCode = 1;
}

function list({ keys, git }: Stores): void {
  for (const { principal, addedAt } of keys.list()) console.log(`${principal}\t${addedAt}`);
  for (const { name, addedAt } of git.list()) console.log(`${name}\t${addedAt}`);
}
