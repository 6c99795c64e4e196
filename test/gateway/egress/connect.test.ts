import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { ask, startRig, until } from '../rig.ts';
import { PUBLIC_ADDRESS, standIn } from './egress-rig.ts';
import { closed, openTunnelTo, readAll, refusalOf } from './proxy-client.ts';

type Host = AsyncDisposable & { port: number; sockets: net.Socket[] };

async function startHost(serve: (socket: net.Socket) => void): Promise<Host> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const startEcho = () => startHost((socket) => socket.pipe(socket));
const ALLOWED = { EGRESS_ALLOW: 'allowed.test,*.wild.test' };

test('bytes go both ways unchanged, more than fit into any buffer, and are counted', async () => {
  await using host = await startEcho();
  await using rig = await startRig({ out: { environment: ALLOWED, dialer: standIn(host.port) } });
  const { socket, status } = await openTunnelTo(rig.port, 'Allowed.test.:443');
  expect(status).toBe(200);
  const sent = randomBytes(8 * 1024 * 1024);
  const hash = createHash('sha256');
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    hash.update(chunk);
  });
  socket.end(sent);
  await once(socket, 'end');
  expect(received).toBe(sent.length);
  expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
  await until(() => rig.out.egress.connections('agent-1', 9)[0]?.open === false);
  expect(rig.out.egress.connections('agent-1', 9)).toEqual([
    {
      agentId: 'agent-1',
      ...{ method: 'CONNECT', host: 'allowed.test', port: 443, address: '127.0.0.1' },
      ...{ bytesUp: sent.length, bytesDown: sent.length, verdict: 'allowed', open: false },
      startedAt: expect.any(Date),
      durationMs: expect.any(Number),
    },
  ]);
  expect(rig.out.denied).toEqual([]);
});

test('an end that says it is done still hears the other, whichever is first', async () => {
  const answer = async (socket: net.Socket) => {
    const question = await readAll(socket);
    await sleep(50);
    socket.end(`you said ${question}`);
  };
  await using asked = await startHost((socket) => void answer(socket));
  const out = { environment: ALLOWED, dialer: standIn(asked.port) };
  await using rig = await startRig({ out });
  const first = await openTunnelTo(rig.port, 'allowed.test:443');
  first.socket.end('hello');
  expect(await readAll(first.socket)).toBe('you said hello');

  let heard = '';
  await using greeting = await startHost((socket) => {
    socket.end('welcome');
    socket.on('data', (chunk) => {
      heard += chunk;
    });
  });
  const dialer = standIn(greeting.port);
  await using second = await startRig({ out: { environment: ALLOWED, dialer } });
  const { socket } = await openTunnelTo(second.port, 'allowed.test:443');
  expect(await readAll(socket)).toBe('welcome');
  socket.end('thanks');
  await until(() => heard === 'thanks');
});

test('a cut on one side is one on the other', async () => {
  await using host = await startHost((socket) => {
    socket.resume().once('end', () => socket.destroy());
  });
  await using rig = await startRig({ out: { environment: ALLOWED, dialer: standIn(host.port) } });
  const first = await openTunnelTo(rig.port, 'allowed.test:443');
  await until(() => host.sockets.length === 1);
  host.sockets[0]?.resetAndDestroy();
  expect(await closed(first.socket)).toBe('ECONNRESET');

  const second = await openTunnelTo(rig.port, 'allowed.test:443');
  await until(() => host.sockets.length === 2);
  second.socket.on('error', () => undefined).resetAndDestroy();
  await closed(host.sockets[1] as net.Socket);
  await until(() => rig.out.egress.connections('agent-1', 9).every(({ open }) => !open));
  expect(rig.out.egress.connections('agent-1', 9).at(-1)?.reason).toBe('broken');
});

test('what no rule allows is denied without asking for its address, and told once', async () => {
  let asked = 0;
  const resolve = async () => {
    asked += 1;
    return [PUBLIC_ADDRESS];
  };
  await using rig = await startRig({ out: { environment: ALLOWED, dialer: { resolve } } });
  for (const target of ['secret-data.evil.test:443', 'secret-data.evil.test:443']) {
    const answer = await refusalOf(rig.port, target);
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(answer).toContain(
      'network access is denied by the gateway: secret-data.evil.test:443 is not on the allow-list of this agent. The operator can allow it with the tool allow_egress, or for all agents with EGRESS_ALLOW=secret-data.evil.test:443.\n',
    );
  }
  expect(await refusalOf(rig.port, 'wild.test:443')).toContain('wild.test:443 is not on');
  expect(await refusalOf(rig.port, 'allowed.test:22')).toContain('allowed.test:22 is not on');
  expect(asked).toBe(0);
  expect(rig.out.denied).toEqual([
    {
      agentId: 'agent-1',
      ...{ method: 'CONNECT', host: 'secret-data.evil.test', port: 443, reason: 'not_allowed' },
      howToAllow: expect.stringContaining('allow_egress'),
    },
    expect.objectContaining({ host: 'wild.test' }),
    expect.objectContaining({ host: 'allowed.test', port: 22 }),
  ]);
  expect(rig.out.egress.connections('agent-1', 9)).toHaveLength(4);
  expect(rig.logged()).not.toContain('c2VjcmV0');
});

test('an address that is not public is not reached, however it is written or resolved', async () => {
  const answers: Record<string, string[]> = {
    'metadata.wild.test': ['169.254.169.254'],
    'mixed.wild.test': [PUBLIC_ADDRESS, '10.0.0.1'],
    'mapped.wild.test': ['::ffff:127.0.0.1'],
  };
  const dialer = {
    resolve: async (name: string) => answers[name] ?? [PUBLIC_ADDRESS],
    connect: () => expect.unreachable('nothing is connected'),
  };
  await using rig = await startRig({ out: { environment: { EGRESS_ALLOW: '*' }, dialer } });
  const literals = ['2130706433', '0x7f.1', '127.0.0.1.', '[::1]', '[::ffff:7f00:1]', '0'];
  for (const host of [...Object.keys(answers), ...literals]) {
    const answer = await refusalOf(rig.port, `${host}:443`);
    expect(answer, host).toContain('does not lead to a public address');
    expect(answer, host).toMatch(/^HTTP\/1\.1 403 /);
  }
  expect(await refusalOf(rig.port, 'localhost')).toMatch(/^HTTP\/1\.1 400 /);
});

test('a name that leads elsewhere the second time is resolved once', async () => {
  await using host = await startEcho();
  const answers = [[PUBLIC_ADDRESS], ['127.0.0.1']];
  const connectedTo: (readonly string[])[] = [];
  const dialer = {
    resolve: async () => answers.shift() ?? ['127.0.0.1'],
    connect: (addresses: readonly string[]) => {
      connectedTo.push(addresses);
      return net.connect({ host: '127.0.0.1', port: host.port, allowHalfOpen: true });
    },
  };
  await using rig = await startRig({ out: { environment: ALLOWED, dialer } });
  const { socket, status } = await openTunnelTo(rig.port, 'allowed.test:443');
  expect(status).toBe(200);
  socket.end('x');
  expect(await readAll(socket)).toBe('x');
  expect(await refusalOf(rig.port, 'allowed.test:443')).toContain('not lead to a public address');
  expect(connectedTo).toEqual([[PUBLIC_ADDRESS]]);
});

test('what does not answer or has no address is said', async () => {
  await using gone = await startEcho();
  const { port } = gone;
  await gone[Symbol.asyncDispose]();
  await using refused = await startRig({ out: { environment: ALLOWED, dialer: standIn(port) } });
  expect(await refusalOf(refused.port, 'allowed.test:443')).toMatch(
    /^HTTP\/1\.1 502 [\s\S]*answer/,
  );
  const hangs = { ...standIn(port), resolve: () => new Promise<never>(() => {}), timeoutMs: 50 };
  await using late = await startRig({ out: { environment: ALLOWED, dialer: hangs } });
  expect(await refusalOf(late.port, 'allowed.test:443')).toMatch(/^HTTP\/1\.1 504 [\s\S]*in time/);
  const unknown = { resolve: async () => Promise.reject(new Error('ENOTFOUND')) };
  await using lost = await startRig({ out: { environment: ALLOWED, dialer: unknown } });
  expect(await refusalOf(lost.port, 'allowed.test:443')).toContain('has no address');
  expect(lost.out.denied).toEqual([]);
  expect(lost.out.egress.connections('agent-1', 1)).toMatchObject([
    { verdict: 'failed', reason: 'not_resolved', bytesUp: 0 },
  ]);
});

test('an agent has so many connections, idle ones are cut, and the model is asked meanwhile', async () => {
  await using host = await startEcho();
  const environment = { ...ALLOWED, MAX_EGRESS_CONNECTIONS: '2', EGRESS_IDLE_TIMEOUT: '1' };
  await using rig = await startRig({ out: { environment, dialer: standIn(host.port) } });
  const open = [
    await openTunnelTo(rig.port, 'allowed.test:443'),
    await openTunnelTo(rig.port, 'allowed.test:443'),
  ];
  expect(await refusalOf(rig.port, 'allowed.test:443')).toMatch(/^HTTP\/1\.1 429 /);
  expect((await ask(rig.port)).status).toBe(200);
  await Promise.all(open.map(({ socket }) => closed(socket)));
  expect((await openTunnelTo(rig.port, 'allowed.test:443')).status).toBe(200);
  const reasons = rig.out.egress.connections('agent-1', 9).map(({ reason }) => reason);
  expect(reasons.toSorted()).toEqual(['idle', 'idle', 'too_many', undefined]);
});

test('the bytes of an hour are bounded', async () => {
  await using host = await startEcho();
  const environment = { ...ALLOWED, EGRESS_HOURLY_LIMIT: '100k' };
  await using rig = await startRig({ out: { environment, dialer: standIn(host.port) } });
  const { socket } = await openTunnelTo(rig.port, 'allowed.test:443');
  socket.write(Buffer.alloc(100 * 1024));
  await closed(socket);
  expect(await refusalOf(rig.port, 'allowed.test:443')).toContain(
    'the bytes of this hour are used',
  );
});

test('a rule for one agent counts at once, a denial wins and cuts', async () => {
  await using host = await startEcho();
  await using rig = await startRig({ out: { environment: ALLOWED, dialer: standIn(host.port) } });
  const { rules } = rig.out.egress;
  rules.allow('agent-1', 'Other.test:8443', { for: 'once', by: 'somebody' });
  const { socket, status } = await openTunnelTo(rig.port, 'other.test:8443');
  expect(status).toBe(200);
  const [once10] = rules.list('agent-1');
  expect(once10).toMatchObject({ rule: 'other.test:8443', effect: 'allow', decidedBy: 'somebody' });
  const inMinutes = ((once10?.expiresAt?.getTime() ?? 0) - Date.now()) / 60_000;
  expect(inMinutes).toBeCloseTo(10, 1);

  rules.deny('agent-1', 'other.test:8443', { by: 'somebody' });
  expect(await closed(socket)).toBe('ECONNRESET');
  rules.deny('agent-1', 'allowed.test', { by: 'somebody' });
  expect(await refusalOf(rig.port, 'other.test:8443')).toContain(
    'is denied by a rule of this agent',
  );
  expect(await refusalOf(rig.port, 'allowed.test:443')).toContain(
    'is denied by a rule of this agent',
  );
  expect(rules.remove('agent-1', 'allowed.test')).toBe(true);
  expect((await openTunnelTo(rig.port, 'allowed.test:443')).status).toBe(200);
});

test('a rule that was for once ends, and one for another agent is none', async () => {
  await using rig = await startRig({ out: { dialer: standIn(1) } });
  const rule = { agentId: 'agent-1', rule: 'a.test', effect: 'allow', decidedBy: 'x' } as const;
  const ended = new Date(Date.now() - 1);
  rig.out.store.egress.putRule({ ...rule, createdAt: ended, expiresAt: ended });
  expect(await refusalOf(rig.port, 'a.test:443')).toMatch(/^HTTP\/1\.1 403 /);
  rig.out.store.agents.put(newAgent('agent-2'));
  rig.out.egress.rules.allow('agent-2', 'a.test', { for: 'always', by: 'x' });
  expect(await refusalOf(rig.port, 'a.test:443')).toMatch(/^HTTP\/1\.1 403 /);
});

test('an agent that is locked out is cut off', async () => {
  await using host = await startEcho();
  await using rig = await startRig({ out: { environment: ALLOWED, dialer: standIn(host.port) } });
  const { socket } = await openTunnelTo(rig.port, 'allowed.test:443');
  await until(() => host.sockets.length === 1);
  rig.gateway.revoke('agent-1');
  await closed(socket);
  await closed(host.sockets[0] as net.Socket);
});
