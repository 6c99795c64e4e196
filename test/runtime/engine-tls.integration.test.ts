import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { ConfigError } from '../../src/config/config.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { runDoctor } from '../cli/doctor-rig.ts';
import { freePort } from '../machine/free-port.ts';
import { DockerInstallation, outcome } from './docker-setup.ts';
import { ENGINE_SOCKET } from './engine-guard/test-guard.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-tls-'));
const file = (...names: string[]) => path.join(directory, ...names);
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** An authority, and what it signs: the engine's certificate and a client's. */
function makeAuthority(name: string): void {
  const own = (part: string) => file(`${name}.${part}`);
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
    ...['-keyout', own('key'), '-out', own('pem')],
  );
}

function makeCertificate(
  authority: string,
  name: string,
  { address = '127.0.0.1', days = '1' } = {},
): void {
  const own = (part: string) => file(`${name}.${part}`);
  openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
    ...['-keyout', own('key'), '-out', own('csr')],
  );
  fs.writeFileSync(own('ext'), `subjectAltName=IP:${address}\n`);
  openssl(
    ...['x509', '-req', '-in', own('csr'), '-days', days, '-extfile', own('ext')],
    ...['-CA', file(`${authority}.pem`), '-CAkey', file(`${authority}.key`), '-CAcreateserial'],
    ...['-out', own('pem')],
  );
}

/** A directory as DOCKER_CERT_PATH names it. */
function certificatesOf(authority: string, client: string): string {
  const made = fs.mkdtempSync(file('certs-'));
  fs.copyFileSync(file(`${authority}.pem`), path.join(made, 'ca.pem'));
  fs.copyFileSync(file(`${client}.pem`), path.join(made, 'cert.pem'));
  fs.copyFileSync(file(`${client}.key`), path.join(made, 'key.pem'));
  return made;
}

/** What dockerd does with --tlsverify, before the engine of the tests. */
async function serveTls(certificate: string): Promise<AsyncDisposable & { host: string }> {
  const sockets = new Set<net.Socket>();
  const server = tls.createServer(
    {
      key: fs.readFileSync(file(`${certificate}.key`)),
      cert: fs.readFileSync(file(`${certificate}.pem`)),
      ca: fs.readFileSync(file('good.pem')),
      requestCert: true,
      rejectUnauthorized: true,
      allowHalfOpen: true,
    },
    (client) => {
      const engine = net.connect({ path: ENGINE_SOCKET, allowHalfOpen: true });
      for (const socket of [client, engine]) socket.on('error', () => undefined);
      client.pipe(engine);
      engine.pipe(client);
      client.on('close', () => engine.destroy());
      engine.on('close', () => client.destroySoon());
    },
  );
  // Those too whose greeting failed.
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `tcp://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says why it does not take a client, as dockerd does. */
async function serveStrictly(): Promise<AsyncDisposable & { host: string }> {
  const port = await freePort();
  const own = ['-cert', file('engine.pem'), '-key', file('engine.key')];
  const clients = ['-CAfile', file('good.pem'), '-Verify', '1', '-verify_return_error'];
  const command = ['s_server', '-accept', `127.0.0.1:${port}`, '-www', ...own, ...clients];
  const server = spawn('openssl', command, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(server.stdout, 'data');
  return {
    host: `tcp://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.kill();
      await once(server, 'exit');
    },
  };
}

describe.skipIf(!inject('engine').available)('an engine behind TLS', () => {
  const installation = new DockerInstallation();
  let engine: Awaited<ReturnType<typeof serveTls>>;

  beforeAll(async () => {
    makeAuthority('good');
    makeAuthority('bad');
    makeCertificate('good', 'engine');
    makeCertificate('good', 'client');
    makeCertificate('bad', 'stranger');
    makeCertificate('good', 'elsewhere', { address: '127.0.0.2' });
    makeCertificate('good', 'expired', { days: '-1' });
    engine = await serveTls('engine');
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await installation[Symbol.asyncDispose]();
    fs.rmSync(directory, { recursive: true });
  });

  function runtime(host: string, settings: Record<string, string> = {}) {
    return installation.runtime({ DOCKER_HOST: host, ...settings });
  }

  async function failureOf(host: string, settings: Record<string, string>): Promise<unknown> {
    return runtime(host, { DOCKER_TLS_VERIFY: '1', ...settings })
      .ping()
      .catch((error: unknown) => error);
  }

  const unreachable = (reason: RegExp) => ({
    code: 'engine_unreachable',
    message: expect.stringMatching(reason),
  });

  test('runs agents, and programs in them, with the end of each direction', async () => {
    const secured = runtime(engine.host, { DOCKER_CERT_PATH: certificatesOf('good', 'client') });
    await secured.prepare(() => undefined);
    await secured.create({ agentId: 'secured', env: {} });
    await secured.start('secured');
    const child = await secured.exec('secured', ['sh', '-c', 'cat; echo after the end; exit 3']);
    child.stdio.end('x'.repeat(1_000_000));
    const { stdout, status } = await outcome(child);
    expect(stdout).toBe(`${'x'.repeat(1_000_000)}after the end\n`);
    expect(status).toBe(3);
  });

  test('of another authority is not trusted', async () => {
    const certificates = { DOCKER_CERT_PATH: certificatesOf('bad', 'client') };
    expect(await failureOf(engine.host, certificates)).toMatchObject(
      unreachable(/certificate is not signed by/),
    );
    expect(await failureOf(engine.host, {})).toMatchObject(
      unreachable(/certificate is not signed by/),
    );
  });

  test('does not take a client whose certificate is missing, of another authority or expired', async () => {
    // Node's own server hangs up without a word.
    await using strict = await serveStrictly();
    const certificates = (client: string) => ({ DOCKER_CERT_PATH: certificatesOf('good', client) });
    expect(await failureOf(strict.host, certificates('stranger'))).toMatchObject(
      unreachable(/rejects the certificate/),
    );
    expect(await failureOf(strict.host, certificates('expired'))).toMatchObject(
      unreachable(/in cert\.pem of DOCKER_CERT_PATH has expired/),
    );
    const { stdout } = await runDoctor({
      AGENT_RUNTIME: 'docker',
      DATA_DIR: file('data'),
      DOCKER_HOST: strict.host,
      DOCKER_TLS_VERIFY: '1',
      NODE_EXTRA_CA_CERTS: file('good.pem'),
    });
    expect(stdout).toMatch(/✗ Runtime .*requires a client certificate/);
  });

  test('with an expired certificate, or one of another machine, is not trusted', async () => {
    const certificates = { DOCKER_CERT_PATH: certificatesOf('good', 'client') };
    await using expired = await serveTls('expired');
    expect(await failureOf(expired.host, certificates)).toMatchObject(unreachable(/has expired/));
    await using elsewhere = await serveTls('elsewhere');
    expect(await failureOf(elsewhere.host, certificates)).toMatchObject(
      unreachable(/not valid for the host/),
    );
  });

  test('is told from one without TLS', async () => {
    const plain = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    expect(await failureOf(`tcp://127.0.0.1:${port}`, {})).toMatchObject(
      unreachable(/does not use TLS/),
    );
    await new Promise((resolve) => plain.close(resolve));
  });
});

test('a directory without certificates stops the start', () => {
  expect(() => loadConfig({ DOCKER_CERT_PATH: '/no/such' })).toThrow(ConfigError);
  expect(() => loadConfig({ DOCKER_CERT_PATH: '/no/such' })).toThrow(
    'DOCKER_CERT_PATH is "/no/such". Allowed: a directory with ca.pem, cert.pem and key.pem',
  );
});
