import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer, tool } from '../http/test-server.ts';

const run = promisify(execFile);
const CONFORMANCE = fileURLToPath(
  import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'),
);
const NOTHING = z.strictObject({});
const DONE = z.object({ done: z.boolean() });

/** The tools that the scenarios call by name. */
const SCENARIO_TOOLS = [
  tool('test_simple_text', NOTHING, DONE, async () => ({ done: true })),
  tool('test_error_handling', NOTHING, DONE, async () => {
    throw new Error('This tool fails.');
  }),
  tool('test_tool_with_progress', NOTHING, DONE, async (_input, call) => {
    for (const step of ['first', 'second', 'third']) call.progress(step);
    return { done: true };
  }),
];

/** The scenarios of the official suite that ask for nothing this server does not have. */
const SCENARIOS = [
  'server-initialize',
  'ping',
  'logging-set-level',
  'tools-list',
  'tools-call-simple-text',
  'tools-call-error',
  'tools-call-with-progress',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({}, SCENARIO_TOOLS);
});

afterAll(() => server.app.close());

test.each(SCENARIOS)(
  'conformance scenario %s passes',
  async (scenario) => {
    const args = ['server', '--url', `${server.url}/mcp`, '--scenario', scenario];
    const { stdout } = await run(process.execPath, [CONFORMANCE, ...args]);
    expect(stdout).toMatch(/\b0 failed/);
  },
  30_000,
);
