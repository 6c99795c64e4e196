/** Uses a login for a while, as a server does: FILE ISSUER MILLISECONDS. Tells what went wrong. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { AuthFile } from '../../../src/gateway/credentials/auth-file.ts';
import { LoginBroker } from '../../../src/gateway/credentials/login-broker.ts';
import { TokenEndpoint } from '../../../src/gateway/credentials/token-endpoint.ts';

const [file = '', issuer = '', time = '0'] = process.argv.slice(2);
const broker = new LoginBroker({
  file: new AuthFile(file),
  endpoint: new TokenEndpoint({ OAUTH_ISSUER: issuer, OAUTH_CLIENT_ID: 'codex-cli' }),
  log: pino({ level: 'silent' }),
});
const failures: string[] = [];
let logins = 0;
const end = performance.now() + Number(time);
while (performance.now() < end) {
  await broker.login().catch((error) => failures.push(String(error)));
  logins += 1;
  await sleep(20);
}
process.stdout.write(JSON.stringify({ failures, logins }));
