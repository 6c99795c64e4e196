import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openTunnel, type Tunnel } from '../../src/gateway/tunnel.ts';
import { TunnelKeeper } from '../../src/gateway/tunnel-keeper.ts';
import type { ContainerRuntime } from '../../src/runtime/container-runtime.ts';
import { DOCKER_LAYOUT } from '../../src/runtime/docker/container-options.ts';
import { freePort } from '../machine/free-port.ts';
import { log, startTunnelProgram, type TunnelProcess } from './rig.ts';

const MEGABYTE = 1024 * 1024;

test('bytes go both ways and each side can end on its own', async () => {
  await using open = await openTest(async (socket) => {
    const received = await buffer(socket);
    socket.end(`got ${received.length}`);
  });
  const connection = connect(open.port);
  connection.end('hello');
  expect((await buffer(connection)).toString()).toBe('got 5');
});

test('the far side can end first and still read', async () => {
  const received = Promise.withResolvers<string>();
  await using open = await openTest(async (socket) => {
    socket.end('bye');
    received.resolve((await buffer(socket)).toString());
  });
  const connection = connect(open.port);
  expect((await buffer(connection)).toString()).toBe('bye');
  connection.end('late words');
  expect(await received.promise).toBe('late words');
});

test('50 MB pass unharmed in both directions', async () => {
  await using open = await openTest((socket) => socket.pipe(socket));
  const sent = Buffer.alloc(50 * MEGABYTE, 'abcdefg');
  const connection = connect(open.port);
  connection.end(sent);
  expect((await buffer(connection)).equals(sent)).toBe(true);
});

test('100 connections work at the same time', async () => {
  await using open = await openTest((socket) => socket.pipe(socket));
  const replies = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const connection = connect(open.port);
      connection.end(`connection ${index} `.repeat(10_000));
      return (await buffer(connection)).toString().slice(0, 15);
    }),
  );
  expect(replies.every((reply, index) => reply.startsWith(`connection ${index} `))).toBe(true);
});

test('a connection beyond 256 is closed, and a later one is served once another has ended', async () => {
  let served = 0;
  await using open = await openTest((socket) => {
    served += 1;
    socket.on('error', () => {}).write('begun');
  });
  const connections = Array.from({ length: 256 }, () => connect(open.port).on('error', () => {}));
  await Promise.all(connections.map((connection) => once(connection, 'data')));
  expect((await buffer(connect(open.port))).length).toBe(0);
  expect(served).toBe(256);
  connections[0]?.resetAndDestroy();
  const laterAnswer = async () => {
    const later = connect(open.port);
    connections.push(later);
    return String(await Promise.race([once(later, 'data'), once(later, 'end')]));
  };
  await expect.poll(laterAnswer).toBe('begun');
  for (const connection of connections) connection.destroy();
});

test('a slow reader stops its writer, costs little memory and nobody else', async () => {
  const written: number[] = [];
  await using open = await openTest((socket) => {
    socket.on('error', () => {});
    const index = written.push(0) - 1;
    const write = () => {
      while (socket.write(Buffer.alloc(MEGABYTE))) written[index] = (written[index] ?? 0) + 1;
    };
    socket.on('drain', () => {
      written[index] = (written[index] ?? 0) + 1;
      write();
    });
    socket.once('data', write);
  });
  const before = await memory(open.program.pid);
  const slow = Array.from({ length: 8 }, () => connect(open.port).pause());
  for (const connection of slow) connection.write('go');
  await sleep(1000);
  expect(Math.max(...written)).toBeLessThan(16);
  expect((await memory(open.program.pid)) - before).toBeLessThan(60);
  const quick = connect(open.port);
  quick.write('go');
  await once(quick, 'data');
  for (const connection of [...slow, quick]) connection.destroy();
});

test('a connection that is cut on one side is reset on the other', async () => {
  const sockets: Duplex[] = [];
  await using open = await openTest((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    socket.write('begun');
  });
  const cutHere = connect(open.port);
  await once(cutHere, 'data');
  cutHere.resetAndDestroy();
  await once(sockets[0] as Duplex, 'close');

  const cutThere = connect(open.port);
  await once(cutThere, 'data');
  sockets[1]?.destroy();
  const [error] = await once(cutThere, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });

  const next = connect(open.port);
  expect(String((await once(next, 'data'))[0])).toBe('begun');
  next.destroy();
});

test('connections are refused when the server lets go of the tunnel', async () => {
  const open = await openTest(() => {});
  open.tunnel.close();
  await open.tunnel.closed;
  expect(await open.program.exited).toBe(0);
  await expectRefused(open.port);
});

test('the server learns that the program was killed', async () => {
  const open = await openTest(() => {});
  open.program.kill();
  await open.tunnel.closed;
  await expectRefused(open.port);
});

test('a tunnel waits for the port of its predecessor', async () => {
  const port = await freePort();
  const first = await openTest((socket) => socket.resume().end('first'), port);
  const next = openTest((socket) => socket.resume().end('second'), port);
  await sleep(600);
  first.program.kill();
  await using second = await next;
  expect((await buffer(connect(second.port))).toString()).toBe('second');
});

test('a connection that comes before its agent waits for it', async () => {
  const port = await freePort();
  const keeper = await TunnelKeeper.open({ runtime: runtimeWithTunnel(port), agentId: 'a', log });
  const early = connect(port);
  const answer = buffer(early);
  expect(await Promise.race([answer, sleep(300, 'it waits')])).toBe('it waits');
  keeper.serve((socket) => socket.resume().end('served'));
  expect(String(await answer)).toBe('served');
  keeper.close();
});

test('connections wait for the next server, and come again when it is there', async () => {
  const port = await freePort();
  const first = await openTest((socket) => socket.resume().end('first'), port, 30);
  await loseServer(first);
  const waiting = connect(port);
  waiting.write('a question');
  const cut = once(waiting, 'error');
  await expect(Promise.race([cut, sleep(300, 'it waits')])).resolves.toBe('it waits');
  await using _second = await openTest((socket) => socket.resume().end('second'), port);
  await expect(cut).resolves.toMatchObject([{ code: 'ECONNRESET' }]);
  expect((await buffer(connect(port))).toString()).toBe('second');
  expect(await first.program.exited).toBe(0);
});

test('connections that waited long enough are refused', async () => {
  const open = await openTest(() => {}, undefined, 0.3);
  await loseServer(open);
  expect(await open.program.exited).toBe(0);
  await expectRefused(open.port);
});

test('a program that cannot start says why', async () => {
  const program = startTunnelProgram(1);
  program.kill();
  const opened = openTunnel({ process: program, onConnection: () => {}, log });
  await expect(opened).rejects.toMatchObject({ code: 'engine_failed' });
});

type OpenTunnel = AsyncDisposable & { tunnel: Tunnel; program: TunnelProcess; port: number };

async function openTest(
  onConnection: (socket: Duplex) => unknown,
  onPort?: number,
  keepSeconds?: number,
): Promise<OpenTunnel> {
  const port = onPort ?? (await freePort());
  const program = startTunnelProgram(port, keepSeconds);
  const tunnel = await openTunnel({ process: program, onConnection, log });
  return {
    ...{ tunnel, program, port },
    [Symbol.asyncDispose]: async () => {
      tunnel.close();
      await program.exited;
    },
  };
}

function runtimeWithTunnel(port: number): ContainerRuntime {
  const exec = async () => startTunnelProgram(port);
  return { layout: () => DOCKER_LAYOUT, exec } as Partial<ContainerRuntime> as ContainerRuntime;
}

/** Resolves when the program has noticed. */
async function loseServer({ tunnel, program }: OpenTunnel): Promise<void> {
  const noticed = once(program.stderr, 'data');
  tunnel.close();
  expect(String((await noticed)[0])).toBe('waiting for the next server\n');
}

function connect(port: number): net.Socket {
  return net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
}

async function expectRefused(port: number): Promise<void> {
  const [error] = await once(connect(port), 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
}

/** Resident megabytes of a process. */
async function memory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
