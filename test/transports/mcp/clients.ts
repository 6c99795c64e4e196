import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const INFO = { name: 'test', version: '0' };

type CallOptions = {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; message?: string }) => void;
};

export type CallResult = {
  structuredContent?: unknown;
  isError?: boolean;
  content?: unknown;
  [other: string]: unknown;
};

/** What every client of every era can do. */
export type TestClient = {
  list(): Promise<{ name: string; inputSchema: unknown; outputSchema?: unknown }[]>;
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<CallResult>;
  instructions(): string | undefined;
  [Symbol.asyncDispose](): Promise<void>;
};

export type Connect = (server: string, agentId?: string) => Promise<TestClient>;

/** The real clients, each in the way it reaches the server. */
export const CLIENTS: [name: string, connect: Connect][] = [
  [
    'SDK v1 over HTTP+SSE',
    (server, agentId) => connectV1(new SSEClientTransport(url(server, '/sse'), init(agentId))),
  ],
  [
    'SDK v1 over Streamable HTTP',
    (server, agentId) => connectV1(new HttpV1(url(server, '/mcp'), init(agentId))),
  ],
  ['SDK v2 as of 2025', (server, agentId) => connectV2('legacy', server, agentId)],
  [
    'SDK v2 as of 2026-07-28',
    (server, agentId) => connectV2({ pin: '2026-07-28' }, server, agentId),
  ],
];

async function connectV1(transport: SSEClientTransport | HttpV1): Promise<TestClient> {
  const client = new ClientV1(INFO);
  await client.connect(transport);
  return {
    list: async () => (await client.listTools()).tools,
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    instructions: () => client.getInstructions(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function connectV2(
  mode: 'legacy' | { pin: '2026-07-28' },
  server: string,
  agentId?: string,
): Promise<TestClient> {
  const client = new ClientV2(INFO, { versionNegotiation: { mode } });
  await client.connect(new HttpV2(url(server, '/mcp'), init(agentId)));
  return {
    list: async () => (await client.listTools()).tools,
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    instructions: () => client.getInstructions(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** The text of a result's only block. */
export function textOf(result: CallResult): string {
  const [block] = result.content as { type: string; text: string }[];
  return block?.text ?? '';
}

function url(server: string, path: string): URL {
  return new URL(path, server);
}

function init(agentId: string | undefined) {
  return { requestInit: { headers: agentId ? { 'X-Agent-Id': agentId } : {} } };
}
