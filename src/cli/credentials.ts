import { parseArgs } from 'node:util';
import { loadConfig } from '../config/config.ts';
import { PrincipalKeys } from '../credentials/principal-keys.ts';
import { UsageError } from './failure.ts';
import { secretFromStdin } from './login.ts';

const PRINCIPAL = /^[\x21-\x7e]{1,200}$/;

/** `credentials set|remove|list`: the keys that principals bring for themselves. */
export async function credentials(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'env-file': { type: 'string', default: '.env' } },
  });
  const [action, principal, ...others] = positionals;
  const keys = new PrincipalKeys(loadConfig(process.env, values['env-file']));
  if (action === 'list' && principal === undefined) return list(keys);
  if ((action !== 'set' && action !== 'remove') || others.length > 0) {
    throw new UsageError('credentials needs: set PRINCIPAL, remove PRINCIPAL, or list.');
  }
  if (principal === undefined || !PRINCIPAL.test(principal)) {
    throw new UsageError('A principal is at most 200 characters without spaces.');
  }
  await (action === 'set' ? set(keys, principal) : remove(keys, principal));
}

async function set(keys: PrincipalKeys, principal: string): Promise<void> {
  const key = await secretFromStdin('printenv KEY | codex-mcp credentials set PRINCIPAL');
  await keys.set(principal, key);
  console.log(`Agents of ${principal} use this key from now on.`);
}

async function remove(keys: PrincipalKeys, principal: string): Promise<void> {
  const removed = await keys.remove(principal);
  console.log(removed ? `The key of ${principal} is removed.` : `${principal} has no key.`);
  if (!removed) process.exitCode = 1;
}

function list(keys: PrincipalKeys): void {
  for (const { principal, addedAt } of keys.list()) console.log(`${principal}\t${addedAt}`);
}
