import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { installClient } from './install-client.ts';
import { TOOL_NAMES } from './tool-names.ts';

const execute = promisify(execFile);
const LIMIT_MS = 250_000;
const client = await installClient('@modelcontextprotocol/inspector', '2.12.0');

const listing = z.object({ tools: z.array(z.looseObject({ name: z.string() })) });
const toolResult = z.object({
  content: z.array(z.object({ type: z.literal('text'), text: z.string() })),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
});

let server: TestServer;
let home: string;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: answerAnything });
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-inspector-'));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (home) fs.rmSync(home, { recursive: true, force: true });
});

const CALL = ['--method', 'tools/call', '--tool-name'];
const WITHOUT_SESSIONS = ['--transport', 'http', '--protocol-era', 'modern'];

describe.skipIf(!client.available)('the MCP Inspector', () => {
  test('lists all tools, whose schemas it finds portable', async () => {
    const listed = await inspect('/mcp', ...WITHOUT_SESSIONS, '--method', 'tools/list', '--strict');
    const { tools } = listing.parse(JSON.parse(listed.stdout));
    expect(tools.map(({ name }) => name)).toEqual(TOOL_NAMES);
    expect(listed.exitCode).toBe(0);
  });

  test.each([
    { name: 'SSE', route: '/sse', flags: ['--transport', 'sse'] },
    { name: 'HTTP', route: '/mcp', flags: ['--transport', 'http'] },
    { name: 'HTTP without sessions', route: '/mcp', flags: WITHOUT_SESSIONS },
  ])('calls plan over $name, and shows its result in both forms', async ({ route, flags }) => {
    const args = ['--tool-arg', 'task=Say hello', '--tool-arg', 'agent_id=inspector'];
    const called = await inspect(route, ...flags, ...CALL, 'plan', ...args);
    const { content, structuredContent } = toolResult.parse(JSON.parse(called.stdout));
    expect(structuredContent).toMatchObject({
      task_breakdown: [],
      estimated_complexity: 'low',
      agent_id: 'inspector',
    });
    expect(JSON.parse(content[0]?.text ?? '')).toEqual(structuredContent);
  });

  test('shows a failed call as one', async () => {
    const args = ['--tool-arg', 'agent_id=nobody'];
    const flags = ['--transport', 'http'];
    const { stdout, exitCode } = await inspect('/mcp', ...flags, ...CALL, 'list_sessions', ...args);
    expect(toolResult.parse(JSON.parse(stdout))).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^agent_not_found: /) }],
    });
    expect(exitCode).not.toBe(0);
  });
});

type Output = { stdout: string; exitCode: number };

async function inspect(route: string, ...args: string[]): Promise<Output> {
  if (!client.available) throw new Error(client.reason);
  const program = path.join(client.directory, 'node_modules/.bin/mcp-inspector');
  const options = { timeout: LIMIT_MS, env: { PATH: process.env.PATH, HOME: home } };
  try {
    const { stdout } = await execute(program, ['--cli', server.url + route, ...args], options);
    return { stdout, exitCode: 0 };
  } catch (error) {
    const { stdout, code, stderr } = error as { stdout: string; stderr: string; code: unknown };
    if (typeof code !== 'number' || stdout === '') throw new Error(stderr, { cause: error });
    return { stdout, exitCode: code };
  }
}
