import { createRequire } from 'node:module';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { installClient } from './install-client.ts';
import { TOOL_NAMES } from './tool-names.ts';

/** As far as they are used here: the SDK is installed only while tests run. */
type McpServer = {
  connect(): Promise<void>;
  close(): Promise<void>;
  listTools(): Promise<{ name: string }[]>;
  callTool(name: string, args: Record<string, unknown>): Promise<{ text: string }[]>;
};
type McpServerClass<Where> = new (options: { name: string } & Where) => McpServer;
type AgentsSdk = Record<
  'MCPServerSSE' | 'MCPServerStreamableHttp',
  McpServerClass<{ url: string }>
> & { MCPServerStdio: McpServerClass<{ command: string; args: string[] }> };

/** The part of `@openai/agents` that holds its MCP clients. */
const PACKAGE = '@openai/agents-core';
const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const client = await installClient(PACKAGE, '0.20.0');

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: answerAnything });
});

afterAll(() => server?.[Symbol.asyncDispose]());

describe
  .skipIf(!client.available)
  .each(['MCPServerSSE', 'MCPServerStreamableHttp', 'MCPServerStdio'] as const)(
  '%s of the OpenAI Agents SDK',
  (className) => {
    test('lists the tools, calls plan, and reads why a call failed', async () => {
      const mcp = clientOf(className);
      await mcp.connect();
      try {
        expect((await mcp.listTools()).map(({ name }) => name)).toEqual(TOOL_NAMES);
        const [plan] = await mcp.callTool('plan', { task: 'Say hello', agent_id: 'agents-sdk' });
        expect(JSON.parse(plan?.text ?? '')).toMatchObject({
          estimated_complexity: 'low',
          agent_id: 'agents-sdk',
        });
        const [failure] = await mcp.callTool('list_sessions', { agent_id: 'nobody' });
        expect(failure?.text).toMatch(/^agent_not_found: /);
      } finally {
        await mcp.close();
      }
    });
  },
);

function clientOf(className: keyof AgentsSdk): McpServer {
  const sdk = agentsSdk();
  const name = 'codex';
  switch (className) {
    case 'MCPServerSSE':
      return new sdk.MCPServerSSE({ name, url: `${server.url}/sse` });
    case 'MCPServerStreamableHttp':
      return new sdk.MCPServerStreamableHttp({ name, url: `${server.url}/mcp` });
    case 'MCPServerStdio': {
      const args = [MAIN, 'stdio', '--url', server.url];
      return new sdk.MCPServerStdio({ name, command: process.execPath, args });
    }
  }
}

function agentsSdk(): AgentsSdk {
  if (!client.available) throw new Error(client.reason);
  const require = createRequire(path.join(client.directory, 'package.json'));
  return require(PACKAGE) as AgentsSdk;
}
