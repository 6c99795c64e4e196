import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type FakeUpstream = AsyncDisposable & { url: string };

/** A provider that answers in ways which no model would. */
export async function fakeAnswer(
  answer: (response: ServerResponse, request: IncomingMessage) => unknown,
): Promise<FakeUpstream> {
  const server = http.createServer((request, response) => {
    request.resume().once('end', () => void answer(response, request));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
