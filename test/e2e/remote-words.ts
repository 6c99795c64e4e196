import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

type Call = {
  id?: number;
  method: string;
  params: { protocolVersion?: string; arguments?: { word: string } };
};

/** An MCP server over HTTP with one tool, `look_up`. */
export async function startRemoteWords(host: string): Promise<AsyncDisposable & { port: number }> {
  const server = http.createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const call = (await json(request)) as Call;
    if (call.id === undefined) return response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: answer(call) }));
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer({ method, params }: Call) {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'words', version: '1.0.0' },
      };
    case 'tools/list':
      return { tools: [{ name: 'look_up', description: 'Words.', inputSchema: WORD }] };
    case 'tools/call':
      return { content: [{ type: 'text', text: `${params.arguments?.word}: from afar` }] };
    default:
      return {};
  }
}

const WORD = { type: 'object', properties: { word: { type: 'string' } } };
