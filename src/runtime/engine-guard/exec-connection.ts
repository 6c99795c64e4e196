import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { matchCall } from './engine-calls.ts';
import type { EngineSocket } from './engine-socket.ts';
import { allowExecStart, EXEC_START } from './exec-rule.ts';
import type { OwnedResources } from './owned-resources.ts';
import { Refusal } from './refusal.ts';
import { bodyLength, parse } from './request-body.ts';

const BODY_BYTES = 4096;
const BODY_MS = 10_000;

const ACCEPTED = [
  'HTTP/1.1 101 UPGRADED',
  'Content-Type: application/vnd.docker.raw-stream',
  'Connection: Upgrade',
  'Upgrade: tcp',
  '\r\n',
].join('\r\n');

/** An upgrade request of Node's HTTP server. */
export type Upgrade = { request: IncomingMessage; client: Socket; head: Buffer };

/** Starts an exec and connects it to the client; each direction ends separately. */
export async function connectExec(
  { request, client, head }: Upgrade,
  { engine, resources }: { engine: EngineSocket; resources: OwnedResources },
): Promise<void> {
  const call = matchCall(request.method, request.url ?? '');
  if (call.name !== 'startExec' || request.headers.upgrade !== 'tcp') {
    throw new Refusal('only the start of an exec may upgrade the connection');
  }
  const { body, rest } = await readBody(request, client, head);
  allowExecStart(parse(body));
  const id = await resources.exec(call.target);
  const { connection, head: first } = await engine.hijack(`/exec/${id}/start`, EXEC_START);
  client.setNoDelay(true);
  client.write(ACCEPTED);
  if (first.length > 0) client.write(first);
  if (rest.length > 0) connection.write(rest);
  join(client, connection);
}

/** Pipes keep back pressure and forward the end of one direction. */
function join(client: Socket, engine: Socket): void {
  client.pipe(engine);
  engine.pipe(client);
  for (const socket of [client, engine]) socket.on('error', () => undefined);
  client.on('close', () => engine.destroy());
  // The last data of the engine may not be written yet.
  engine.on('close', () => client.destroySoon());
  if (client.destroyed) engine.destroy();
}

/** Node does not parse the body of an upgrade request. */
async function readBody(
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
): Promise<{ body: Buffer; rest: Buffer }> {
  const length = bodyLength(request, BODY_BYTES);
  let bytes = head;
  client.setTimeout(BODY_MS, () => client.destroy());
  while (bytes.length < length) {
    bytes = Buffer.concat([bytes, await nextChunk(client)]);
  }
  client.setTimeout(0);
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

function nextChunk(client: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Refusal('its body is incomplete'));
    client.once('close', gone);
    client.once('data', (chunk: Buffer) => {
      client.pause();
      client.off('close', gone);
      resolve(chunk);
    });
    client.resume();
  });
}
