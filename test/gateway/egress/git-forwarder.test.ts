import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { openEgress, standIn } from './egress-rig.ts';

const REFS = '/info/refs?service=git-upload-pack';

/** A host that says what it was asked, and the gateway's way to it for `agent-1`. */
async function openForwarder(environment: Record<string, string> = {}) {
  const asked: { line: string; authorization: string | undefined }[] = [];
  const host = http.createServer((request, response) => {
    const { method, url, headers } = request;
    asked.push({ line: `${headers.host} ${method} ${url}`, authorization: headers.authorization });
    response.writeHead(200, { 'content-type': 'x-git', 'set-cookie': 'a=b' });
    response.end('refs'.repeat(1000));
  });
  await once(host.listen(0, '127.0.0.1'), 'listening');
  const dialer = standIn((host.address() as AddressInfo).port);
  const rig = openEgress({
    environment: { EGRESS_ALLOW: 'http://git.example.com', ...environment },
    dialer,
  });
  const { git } = rig.egress;
  const gateway = http.createServer((request, response) => {
    void git.serve(String(request.headers['x-agent']), request, response);
  });
  await once(gateway.listen(0, '127.0.0.1'), 'listening');
  const { port } = gateway.address() as AddressInfo;
  const ask = async (path: string, agent = 'agent-1', method = 'GET') => {
    const url = `http://127.0.0.1:${port}${path}`;
    const answer = await fetch(url, { method, headers: { 'x-agent': agent } });
    return { status: answer.status, text: await answer.text().catch(() => 'cut'), answer };
  };
  return {
    ...{ asked, git, ask, egress: rig.egress },
    [Symbol.dispose]() {
      for (const server of [gateway, host]) {
        server.closeAllConnections();
        server.close();
      }
      rig[Symbol.dispose]();
    },
  };
}

const REPOSITORY = new URL('http://git.example.com/team/app.git');

test('a grant is for one agent, one repository, reading, and as long as it lasts', async () => {
  using rig = await openForwarder();
  const grant = rig.git.grant('agent-1', REPOSITORY, { maxBytes: 1e6 });
  const { status, text, answer } = await rig.ask(`${grant.path}${REFS}`);
  expect([status, text.length]).toEqual([200, 4000]);
  expect(answer.headers.get('set-cookie')).toBe(null);
  expect(rig.asked).toEqual([
    { line: `git.example.com GET /team/app.git${REFS}`, authorization: undefined },
  ]);
  const refused = [
    rig.ask(`${grant.path}${REFS}`, 'agent-2'),
    rig.ask(`/git/${'0'.repeat(48)}${REFS}`),
    rig.ask(`${grant.path}/info/refs?service=git-receive-pack`),
    rig.ask(`${grant.path}/git-receive-pack`, 'agent-1', 'POST'),
    rig.ask(`${grant.path}/../other.git${REFS}`),
    rig.ask(`${grant.path}/HEAD`),
  ];
  for (const each of await Promise.all(refused)) expect(each.status).toBe(404);
  grant[Symbol.dispose]();
  expect((await rig.ask(`${grant.path}${REFS}`)).status).toBe(404);
  expect(rig.asked).toHaveLength(1);
  const [record] = rig.egress.connections('agent-1', 1);
  expect(record).toMatchObject({
    host: 'git.example.com',
    port: 80,
    method: 'GET',
    verdict: 'allowed',
  });
});

test('rules decide, and a refusal says who can allow it', async () => {
  using rig = await openForwarder({ EGRESS_ALLOW: 'https://git.example.com' });
  const grant = rig.git.grant('agent-1', REPOSITORY, { maxBytes: 1e6 });
  expect((await rig.ask(`${grant.path}${REFS}`)).status).toBe(403);
  expect(grant.failure).toMatchObject({ kind: 'denied' });
  expect(grant.failure?.message).toContain('allow_egress');
  const inner = rig.git.grant('agent-1', new URL('http://127.0.0.1/x'), { maxBytes: 1 });
  expect((await rig.ask(`${inner.path}${REFS}`)).status).toBe(403);
  expect(rig.asked).toEqual([]);
});

test('a credential is never sent in the clear', async () => {
  using rig = await openForwarder();
  const grant = rig.git.grant('agent-1', REPOSITORY, {
    authorization: 'Basic c2VjcmV0',
    maxBytes: 1e6,
  });
  expect((await rig.ask(`${grant.path}${REFS}`)).status).toBe(200);
  expect(rig.asked[0]?.authorization).toBeUndefined();
});

test('a repository is cut where it has more bytes than may be fetched', async () => {
  using rig = await openForwarder();
  const grant = rig.git.grant('agent-1', REPOSITORY, { maxBytes: 3000 });
  expect((await rig.ask(`${grant.path}${REFS}`)).text).toBe('cut');
  expect(grant.failure).toMatchObject({ kind: 'too_large' });
});
