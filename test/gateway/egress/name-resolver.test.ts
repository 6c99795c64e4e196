import dgram from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { Dialer } from '../../../src/gateway/egress/dialer.ts';
import { nameResolver } from '../../../src/gateway/egress/name-resolver.ts';
import { ReachableAddresses } from '../../../src/gateway/egress/reachable-addresses.ts';

const TYPE_A = 1;
const TYPE_AAAA = 28;
const NO_SUCH_NAME = 0x8183;
const ANSWER = 0x8180;

type NameServer = AsyncDisposable & { address: string; asked: string[] };
type Names = Readonly<Record<string, { a?: number[][]; aaaa?: number[][] }>>;

/** A name server that knows some names, of which it has addresses as bytes. */
async function startNameServer(names: Names): Promise<NameServer> {
  const asked: string[] = [];
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, type, question } = readQuestion(query);
    asked.push(`${name} ${type}`);
    const known = names[name];
    const data = (type === TYPE_A ? known?.a : known?.aaaa) ?? [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(known ? ANSWER : NO_SUCH_NAME, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(data.length, 6);
    const records = data.map((bytes) =>
      Buffer.concat([recordHead(type, bytes.length), Buffer.from(bytes)]),
    );
    socket.send(Buffer.concat([head, question, ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    ...{ address: `127.0.0.1:${socket.address().port}`, asked },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

function readQuestion(query: Buffer) {
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  const type = query.readUInt16BE(at + 1);
  return { name: labels.join('.').toLowerCase(), type, question: query.subarray(12, at + 5) };
}

/** Of the name in the question, for no time at all. */
function recordHead(type: number, length: number): Buffer {
  return Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, length]);
}

test('all addresses of a name are found, of either kind', async () => {
  await using server = await startNameServer({
    'both.test': {
      a: [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
      aaaa: [[0x26, 6, ...Array(13).fill(0), 1]],
    },
    'six.test': { aaaa: [[0x26, 6, ...Array(13).fill(0), 2]] },
  });
  const resolve = nameResolver([server.address]);
  expect(await resolve('both.test')).toEqual(['1.2.3.4', '5.6.7.8', '2606::1']);
  expect(await resolve('six.test')).toEqual(['2606::2']);
  await expect(resolve('none.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

test('a name that leads to this machine by IPv6 alone is not reached', async () => {
  await using server = await startNameServer({
    'sly.test': { a: [[1, 2, 3, 4]], aaaa: [[...Array(10).fill(0), 0xff, 0xff, 127, 0, 0, 1]] },
  });
  const dialer = new Dialer({
    reachable: new ReachableAddresses(),
    resolve: nameResolver([server.address]),
    connect: () => expect.unreachable('nothing is connected'),
  });
  const target = { way: 'connect', method: 'CONNECT', host: 'sly.test', port: 443 } as const;
  const dialed = dialer.dial(target, new AbortController().signal);
  await expect(dialed).rejects.toMatchObject({ reason: 'not_public' });
  expect(server.asked.toSorted()).toEqual([`sly.test ${TYPE_A}`, `sly.test ${TYPE_AAAA}`]);
});
