import { createHmac, createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiTokens } from '../../src/callers/authentication/api-tokens.ts';
import { Authenticator } from '../../src/callers/authentication/authenticator.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteTokenStore } from '../../src/store/sqlite/sqlite-token-store.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../callers/authentication/authorization-server.ts';
import { assertSilent, type FuzzServer, SECRETS, startFuzzServer } from './fuzz-server.ts';
import { FUZZ_TIMEOUT_MS, fuzz } from './fuzzed.ts';
import { nearly, oddText } from './odd-values.ts';
import { exchange } from './raw-exchange.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fuzz-tokens-'));
const store = SqliteTokenStore.open(directory);
const { token: staticToken } = new ApiTokens(store).create({
  principal: 'ann',
  tenant: 'default',
  roles: ['developer'],
});
let issuer: AuthorizationServer;
let server: FuzzServer;

beforeAll(async () => {
  issuer = await startAuthorizationServer();
  const config = loadConfig({
    ...SECRETS,
    OIDC_ISSUER: issuer.issuer,
    OIDC_AUDIENCE: 'codex-mcp',
  });
  const log = pino({ level: 'debug' }, { write: (line) => server.logLines.push(line) });
  const tokens = new ApiTokens(store);
  const unbounded = { ...config, MAX_FAILED_LOGINS: 1e9 };
  const authenticator = new Authenticator({ tokens, config: unbounded, isLoopback: true, log });
  server = await startFuzzServer({}, { authenticator });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
  store.close();
  fs.rmSync(directory, { recursive: true });
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
const sign = (head: string, key: string | Buffer, hash = 'sha256') =>
  `${head}.${createHmac(hash, key).update(head).digest('base64url')}`;

test(
  'no Authorization header that is odd lets anybody in',
  async () => {
    const scheme = fc.constantFrom(
      'Bearer',
      'bearer',
      'Basic',
      'Digest',
      'Negotiate',
      '',
      'Bearer,',
    );
    const token = fc.oneof(
      oddText,
      fc.constantFrom(
        'x'.repeat(12_000),
        '..',
        'a.b.c',
        '=.=.=',
        '....',
        'e30.e30.e30',
        'e30.e30.',
      ),
      changed(staticToken),
      fc.base64String().map((text) => Buffer.from(text).toString('base64')),
      fc.constantFrom(...Object.values(SECRETS)),
    );
    await fuzz(fc.tuple(scheme, fc.constantFrom(' ', '  ', '\t', ''), token), async (parts) => {
      await expectRefused(Buffer.from(parts.join('')).toString('latin1'));
    });
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'no token with another head, other claims or another signature lets anybody in',
  async () => {
    const ofServer = await issuer.token({ sub: 'x', roles: ['admin'] });
    const own = await new SignJWT({ sub: 'x', role: 'admin' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(SECRETS.JWT_SECRET));
    for (const right of [own, ofServer, staticToken])
      expect(await statusOf(`Bearer ${right}`)).toBe(200);
    const forged = await forgeries(ofServer);
    const mangled = fc.oneof(changed(own), changed(ofServer), fc.constantFrom(...forged));
    const remade = fc
      .tuple(
        nearly(fc.constantFrom({ alg: 'HS256' }, { alg: 'none' }, { alg: 'ES256', kid: 'one' })),
        nearly(fc.constant({ sub: 'x', role: 'admin', exp: 1e10 })),
        fc.constantFrom('', 'secret', 'null'),
      )
      .map(([head, claims, key]) => sign(`${encode(head)}.${encode(claims)}`, key));
    await fuzz(fc.oneof(mangled, remade), (token) => expectRefused(`Bearer ${token}`));
    for (const right of [own, ofServer, staticToken])
      expect(await statusOf(`Bearer ${right}`)).toBe(200);
    assertSilent(server.logLines);
    const lines = server.logLines.join('');
    for (const right of [own, ofServer, staticToken]) expect(lines).not.toContain(right.slice(-20));
  },
  FUZZ_TIMEOUT_MS,
);

/** Tokens that have deceived other servers. */
async function forgeries(real: string): Promise<string[]> {
  const keys = (await (await fetch(`${issuer.issuer}/keys`)).json()) as { keys: [JWK] };
  const pem = createPublicKey({ key: keys.keys[0], format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  });
  const claims = real.split('.')[1] ?? '';
  const withHead = (head: object) => `${encode(head)}.${claims}`;
  const publicSecrets = [pem, `${pem}`.trim(), JSON.stringify(keys.keys[0]), issuer.issuer, ''];
  return [
    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) => `${withHead({ alg })}.`),
    // The public key as the secret of an HMAC.
    ...publicSecrets.flatMap((key) => [
      sign(withHead({ alg: 'HS256', kid: 'one' }), key),
      sign(withHead({ alg: 'HS512', kid: 'one' }), key, 'sha512'),
      sign(withHead({ alg: 'ES256', kid: 'one' }), key),
    ]),
    // Keys that the token brings along.
    ...['jwk', 'x5c', 'jku', 'x5u'].map((name) =>
      sign(withHead({ alg: 'ES256', [name]: keys.keys[0] }), pem),
    ),
    `${withHead({ alg: 'ES256', kid: '../../dev/null' })}.AAAA`,
    `${withHead({ alg: 'ES256', kid: 'one' })}.${Buffer.alloc(64).toString('base64url')}`,
    `${withHead({ alg: 'HS256', crit: ['b64'], b64: false })}.AAAA`,
    `${withHead({ alg: 'HS256', zip: 'DEF' })}.AAAA`,
  ];
}

/** A token of which one character, other than the last, is another one, or is missing, or that is cut. */
function changed(token: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(token.length - 2), fc.constantFrom('A', 'z', '-', '.', '', '%', '\0', '='))
    .map(([at, by]) => token.slice(0, at) + by + token.slice(at + 1))
    .filter((text) => text !== token);
}

async function expectRefused(authorization: string): Promise<void> {
  const status = await statusOf(authorization);
  // 400 is for what cannot stand in a header, 431 for what is too long.
  expect([400, 401, 431], authorization.slice(0, 300)).toContain(status);
}

async function statusOf(authorization: string): Promise<number | undefined> {
  const request = `GET /tools HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`;
  const answers = await exchange(server.url, request, {}, true);
  server.check(answers);
  return answers[0]?.status;
}
