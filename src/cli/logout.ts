import { parseArgs } from 'node:util';
import { withFileLock } from '../gateway/credentials/file-lock.ts';
import { TokenEndpoint } from '../gateway/credentials/token-endpoint.ts';
import { loadConfig } from '../server/load-config.ts';
import { authFileOf } from './login.ts';

/** `logout`: removes auth.json and revokes the login at the authorization server. */
export async function logout(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { 'env-file': { type: 'string', default: '.env' } },
  });
  const config = loadConfig(process.env, values['env-file']);
  const file = authFileOf(config);
  if (file.read() === undefined) return console.log(`There is no login in ${file.path}.`);
  const refreshToken = await withFileLock(file.path, async () => {
    const token = file.read()?.tokens?.refresh_token;
    file.remove();
    return token;
  });
  console.log(`Logged out: ${file.path} is removed.`);
  if (!refreshToken) return;
  await new TokenEndpoint(config).revoke(refreshToken).catch(() => {
    console.log('The authorization server did not confirm; the login expires there by itself.');
  });
}
