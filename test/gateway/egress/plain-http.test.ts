import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ask, begin, startRig, until } from '../rig.ts';
import { standIn } from './egress-rig.ts';
import { readAll } from './proxy-client.ts';

type Seen = { method: string; url: string; rawHeaders: string[]; body: Buffer };
type Serve = (request: IncomingMessage, response: ServerResponse) => void;
type Site = AsyncDisposable & { port: number; seen: Seen[] };

async function startSite(serve: Serve = (_request, response) => response.end('ok')): Promise<Site> {
  const seen: Seen[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', rawHeaders } = request;
    seen.push({ method, url, rawHeaders, body: await buffer(request) });
    serve(request, response);
  };
  const server = http.createServer((request, response) => {
    take(request, response).catch(() => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    ...{ port: (server.address() as AddressInfo).port, seen },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const startProxy = (site: Site, rules = 'site.test', more: Record<string, string> = {}) =>
  startRig({ out: { environment: { EGRESS_ALLOW: rules, ...more }, dialer: standIn(site.port) } });

const get = { method: 'GET', token: '' };

test('a request goes on whole, but for what concerns the proxy, and its answer comes back', async () => {
  await using site = await startSite((_request, response) => {
    response.writeHead(201, 'Made', [
      ...['set-cookie', 'a=1', 'Set-Cookie', 'b=2', 'keep-alive', 'timeout=9'],
      ...['connection', 'x-hop', 'x-hop', '1', 'content-length', '4'],
    ]);
    response.end('made');
  });
  await using rig = await startProxy(site);
  const answer = await ask(rig.port, {
    ...{ method: 'POST', path: 'http://user:pw@Site.test/a%20b?c=d', token: 'site', body: 'hello' },
    headers: {
      host: 'inner.test',
      connection: 'keep-alive, x-secret',
      ...{ 'x-secret': '1', 'x-kept': '2', te: 'trailers', expect: '100-continue' },
      ...{ 'proxy-authorization': 'Basic c2VjcmV0', 'proxy-connection': 'keep-alive' },
    },
  });
  expect(answer).toMatchObject({ status: 201, body: 'made' });
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(answer.headers).not.toHaveProperty('x-hop');
  const [sent] = site.seen;
  expect(sent).toMatchObject({ method: 'POST', url: '/a%20b?c=d', body: Buffer.from('hello') });
  const headers = pairsOf(sent?.rawHeaders ?? []);
  expect(headers).toEqual([
    ['host', 'site.test'],
    ['connection', 'close'],
    ['transfer-encoding', 'chunked'],
    ['content-type', 'application/json'],
    ['authorization', 'Bearer site'],
    ['x-kept', '2'],
  ]);
  await until(() => rig.out.egress.connections('agent-1', 1)[0]?.open === false);
  expect(rig.out.egress.connections('agent-1', 1)).toMatchObject([
    { method: 'POST', host: 'site.test', port: 80, verdict: 'allowed' },
  ]);
});

test('large bodies pass both ways, those in chunks too', async () => {
  const large = randomBytes(4 * 1024 * 1024);
  await using site = await startSite((_request, response) => response.end(large));
  await using rig = await startProxy(site);
  const ways: Record<string, string>[] = [{}, { 'transfer-encoding': 'chunked' }];
  for (const headers of ways) {
    const path = 'http://site.test/';
    const answer = await begin(rig.port, { path, body: large, headers });
    expect((await buffer(answer)).equals(large)).toBe(true);
    expect(site.seen.at(-1)?.body.equals(large)).toBe(true);
  }
});

test('a body cannot pass for a second request', async () => {
  await using site = await startSite();
  await using rig = await startProxy(site);
  const inner = 'DELETE /all HTTP/1.1\r\nhost: site.test\r\n\r\n';
  const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  const socket = net.connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true });
  const head = 'host: site.test\r\ntransfer-encoding: chunked\r\nconnection: close';
  socket.write(`GET http://site.test/ HTTP/1.1\r\n${head}\r\n\r\n${chunk}`);
  expect(await readAll(socket)).toContain('200 OK');
  expect(site.seen.map(({ method, body }) => [method, body.toString()])).toEqual([['GET', inner]]);
});

test('methods can be told apart, and what is denied says how it is allowed', async () => {
  await using site = await startSite();
  await using rig = await startProxy(site, 'GET http://site.test');
  expect((await ask(rig.port, { ...get, path: 'http://site.test/' })).status).toBe(200);
  const posted = await ask(rig.port, { path: 'http://site.test/', token: '' });
  expect(posted.status).toBe(403);
  expect(posted.body).toMatch(/^network access is denied by the gateway: site\.test:80 .*\n$/);
  const odd = await ask(rig.port, { ...get, path: 'https://site.test/' });
  expect(odd.status).toBe(400);
  expect(site.seen).toHaveLength(1);
});

test('a redirect is a request of its own, with a decision of its own', async () => {
  await using site = await startSite((_request, response) =>
    response.writeHead(302, { location: 'http://169.254.169.254/secret' }).end(),
  );
  await using rig = await startProxy(site, 'site.test, 169.254.169.254');
  const first = await ask(rig.port, { ...get, path: 'http://site.test/' });
  expect(first).toMatchObject({ status: 302, headers: { location: expect.any(String) } });
  const second = await ask(rig.port, { ...get, path: first.headers.location ?? '' });
  expect(second.status).toBe(403);
  expect(second.body).toContain('does not lead to a public address');
  expect(site.seen).toHaveLength(1);
});

test('an answer that breaks off is not taken for a whole one', async () => {
  await using site = await startSite((_request, response) => {
    response.write('half');
    setTimeout(() => response.destroy(), 50);
  });
  await using rig = await startProxy(site);
  const broken = ask(rig.port, { ...get, path: 'http://site.test/' });
  await expect(broken).rejects.toThrow('aborted');
});

test('one that does not come ends in time, and a client that leaves ends it', async () => {
  await using site = await startSite(() => undefined);
  await using rig = await startProxy(site, 'site.test', { EGRESS_IDLE_TIMEOUT: '1' });
  expect(await ask(rig.port, { ...get, path: 'http://site.test/' })).toMatchObject({
    status: 504,
    body: expect.stringContaining('sent nothing for too long'),
  });
  const leaving = new AbortController();
  const left = ask(rig.port, { ...get, path: 'http://site.test/', signal: leaving.signal });
  await until(() => site.seen.length === 2);
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await until(() => rig.out.egress.connections('agent-1', 9).every(({ open }) => !open));
});

function pairsOf(raw: readonly string[]): string[][] {
  return raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1] ?? '']] : [],
  );
}
