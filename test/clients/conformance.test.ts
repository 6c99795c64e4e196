import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';

const execute = promisify(execFile);
const SUITE = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));

/** What hangs on the tools and the settings; test/transports/mcp runs the others. */
const SCENARIOS = ['tools-list', 'dns-rebinding-protection'];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: answerAnything });
});

afterAll(() => server?.[Symbol.asyncDispose]());

test.each(SCENARIOS)('the whole server passes conformance scenario %s', async (scenario) => {
  const args = ['server', '--url', `${server.url}/mcp`, '--scenario', scenario];
  const { stdout } = await execute(process.execPath, [SUITE, ...args], { timeout: 50_000 });
  expect(stdout).toMatch(/\b0 failed/);
});
