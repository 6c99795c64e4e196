import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, startApp } from '../../src/server/app.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { assertSilent, checkAnswer, SECRETS } from './fuzz-server.ts';
import { FUZZ_TIMEOUT_MS, fuzz } from './fuzzed.ts';
import { nearly, oddText } from './odd-values.ts';
import { valuesOf } from './tool-arguments.ts';

type ListedTool = { name: string; inputSchema: Record<string, unknown> };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fuzz-tools-'));
const logLines: string[] = [];
let app: App;
let tools: ListedTool[];

/** All tools as they are. There is no Codex, so that what is called rightly ends soon as well. */
beforeAll(async () => {
  const log = pino({ level: 'debug' }, { write: (line) => logLines.push(line) });
  const config = loadConfig({
    OPENAI_API_KEY: SECRETS.OPENAI_API_KEY,
    AGENT_RUNTIME: 'process',
    CODEX_BIN: path.join(directory, 'no-codex'),
    DATA_DIR: directory,
    MCP_PORT: '0',
    MAX_AGENTS: '50',
    RATE_LIMIT_RPM: '0',
    REQUEST_LIMIT_RPM: '0',
  });
  app = await startApp({ config, log, version: '0.0.0-fuzz' });
  await app.prepared;
  const response = await fetch(`${app.url}/tools`);
  tools = ((await response.json()) as { tools: ListedTool[] }).tools;
});

afterAll(async () => {
  await app.close();
  fs.rmSync(directory, { recursive: true });
});

test(
  'every tool takes any arguments: it does what is asked, or says in our form why not',
  async () => {
    expect(tools.length).toBeGreaterThan(20);
    const codes = new Map<string, number>();
    for (const { name, inputSchema } of tools) {
      const args = fc.oneof(valuesOf(inputSchema), nearly(valuesOf(inputSchema)));
      await fuzz(fc.tuple(args, oddText), async ([given, agent]) => {
        const code = await call(name, given, agent);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      });
    }
    // It reaches beyond the check of the arguments.
    expect([...codes.keys()]).toEqual(expect.arrayContaining(['ok', 'invalid_input']));
    expect(codes.size).toBeGreaterThan(4);
    if (process.env.FUZZ_RUNS) process.stderr.write(`${JSON.stringify([...codes])}\n`);
    assertSilent(logLines.filter((line) => !MEANT.test(line)));
    expect((await fetch(`${app.url}/ping`)).status).toBe(200);
  },
  FUZZ_TIMEOUT_MS * 10,
);

/** What is rightly logged as an error where Codex is missing. */
const MEANT = /codex_missing/;

async function call(name: string, args: unknown, agent: string): Promise<string> {
  const response = await fetch(`${app.url}/tools/${name}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(/^[\w-]+$/.test(agent) && { 'x-agent-id': agent }),
    },
    body: JSON.stringify(args) ?? '',
    signal: AbortSignal.timeout(20_000),
  });
  const { status, headers } = response;
  const body = await response.text();
  checkAnswer({ status, headers: new Map(headers), body, isComplete: true });
  return status === 200 ? 'ok' : JSON.parse(body).error.code;
}
