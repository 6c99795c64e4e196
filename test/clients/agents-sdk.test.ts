import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../examples/agents-sdk/package.json' with { type: 'json' };
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { shell } from '../fakes/stand-in-model/step.ts';
import { installClient } from './install-client.ts';
import { startScriptedLead } from './scripted-lead.ts';
import { TOOL_NAMES } from './tool-names.ts';

/** As far as they are used here: the SDK is installed only while tests run. */
type McpServer = {
  connect(): Promise<void>;
  close(): Promise<void>;
  listTools(): Promise<{ name: string }[]>;
  callTool(name: string, args: Record<string, unknown>): Promise<{ text: string }[]>;
};
type Options = { name: string; clientSessionTimeoutSeconds: number };
type McpServerClass<Where> = new (options: Options & Where) => McpServer;
type AgentsSdk = Record<
  'MCPServerSSE' | 'MCPServerStreamableHttp',
  McpServerClass<{ url: string }>
> & { MCPServerStdio: McpServerClass<{ command: string; args: string[] }> };

const PACKAGE = '@openai/agents';
const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const EXAMPLE = path.join(import.meta.dirname, '../../examples/agents-sdk');
/** What never comes is told late; a slow machine takes minutes. */
const LIMIT_MS = 250_000;
const execute = promisify(execFile);
const client = await installClient(PACKAGE, manifest.dependencies[PACKAGE]);

/** Writes the program that the lead of the example wants. */
const writesProgram: Script = (request) =>
  request.prompt.includes('greet.js') && request.toolOutputs.length === 0
    ? shell(`echo 'console.log("hello")' > greet.js`)
    : answerAnything(request);

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: writesProgram });
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

describe.skipIf(!client.available)('the lead developer of the example', () => {
  const input = { task: 'Make greet.js, which says hello.', check_command: 'node greet.js' };

  test.each([
    { over: 'Streamable HTTP', flags: [] },
    { over: 'stdio', flags: ['--stdio'] },
  ])('has Codex do the work over $over', async ({ flags }) => {
    await using model = await startScriptedLead({ tool: 'implement', input });
    expect(await runExample(model.url, [...flags, 'Make it.'])).toBe('done\n');
    expect(model.tools).toEqual(['plan', 'implement', 'review']);
    expect(model.results).toHaveLength(1);
    expect(JSON.parse(model.results[0] ?? '')).toMatchObject({
      changes: [{ file: 'greet.js', action: 'create' }],
      check: { passed: true, output: 'hello\n' },
    });
  });
});

/** As its user has it, after `npm install`; answers what it printed. */
async function runExample(modelUrl: string, args: string[]): Promise<string> {
  if (!client.available) throw new Error(client.reason);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-agents-sdk-'));
  try {
    fs.cpSync(EXAMPLE, directory, { recursive: true });
    const modules = path.join(directory, 'node_modules');
    fs.mkdirSync(path.join(modules, '.bin'), { recursive: true });
    fs.symlinkSync(path.join(client.directory, 'node_modules/@openai'), `${modules}/@openai`);
    const program = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`;
    fs.writeFileSync(path.join(modules, '.bin/codex-hangar'), program, { mode: 0o755 });
    const { stdout } = await execute(process.execPath, ['lead-developer.js', ...args], {
      cwd: directory,
      timeout: LIMIT_MS,
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        OPENAI_API_KEY: 'sk-scripted',
        OPENAI_BASE_URL: modelUrl,
        OPENAI_AGENTS_DISABLE_TRACING: '1',
        CODEX_MCP_URL: server.url,
        MCP_PORT: new URL(server.url).port,
      },
    });
    return stdout;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function clientOf(className: keyof AgentsSdk): McpServer {
  const sdk = agentsSdk();
  const options = { name: 'codex', clientSessionTimeoutSeconds: LIMIT_MS / 1000 };
  switch (className) {
    case 'MCPServerSSE':
      return new sdk.MCPServerSSE({ ...options, url: `${server.url}/sse` });
    case 'MCPServerStreamableHttp':
      return new sdk.MCPServerStreamableHttp({ ...options, url: `${server.url}/mcp` });
    case 'MCPServerStdio': {
      const args = [MAIN, 'stdio', '--url', server.url];
      return new sdk.MCPServerStdio({ ...options, command: process.execPath, args });
    }
  }
}

function agentsSdk(): AgentsSdk {
  if (!client.available) throw new Error(client.reason);
  const require = createRequire(path.join(client.directory, 'package.json'));
  return require(PACKAGE) as AgentsSdk;
}
