import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { installClient } from './install-client.ts';
import { startScriptedClaude } from './scripted-claude.ts';

const execute = promisify(execFile);
const CLAUDE_LIMIT_MS = 250_000;
const EXAMPLE = path.join(import.meta.dirname, '../../examples/claude-code');
const client = await installClient('@anthropic-ai/claude-code', '2.1.329');

let server: TestServer;
let home: string;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: answerAnything });
});
afterAll(() => server?.[Symbol.asyncDispose]());

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-claude-'));
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

describe.skipIf(!client.available)('Claude Code', () => {
  test.each([
    { transport: 'sse', route: '/sse' },
    { transport: 'http', route: '/mcp' },
  ])(
    'is told of the server by the documented command, calls plan over $transport, and its model reads the whole result',
    async ({ transport, route }) => {
      await claude(documentedCommand(`${localhost(server)}${route}`, transport));
      const tool = 'mcp__codex-mcp__plan';
      const input = { task: 'Say hello', agent_id: 'claude' };
      await using model = await startScriptedClaude({ tool, input });
      const prompt = ['-p', 'Plan to say hello', '--allowedTools', tool];
      expect(await claude([...prompt, '--output-format', 'text'], model.url)).toBe('done\n');
      expect(model.results).toEqual([{ text: expect.any(String), isError: false }]);
      expect(JSON.parse(model.results[0]?.text ?? '')).toMatchObject({
        task_breakdown: [],
        estimated_complexity: 'low',
        undone_changes: [],
        agent_id: 'claude',
        usage: { model_requests: 1 },
      });
      expect(server.model.requests.at(-1)?.seen.prompt).toContain('Say hello');
    },
    CLAUDE_LIMIT_MS,
  );

  test(
    'shows the server as connected, and its model why a call failed',
    async () => {
      await claude(documentedCommand(`${localhost(server)}/sse`, 'sse'));
      expect(await claude(['mcp', 'list'])).toMatch(/codex-mcp: .*Connected/);
      const tool = 'mcp__codex-mcp__list_sessions';
      await using model = await startScriptedClaude({ tool, input: { agent_id: 'nobody' } });
      await claude(['-p', 'Who is nobody?', '--allowedTools', tool], model.url);
      expect(model.results).toEqual([
        { text: expect.stringContaining('agent_not_found'), isError: true },
      ]);
    },
    CLAUDE_LIMIT_MS,
  );

  test(
    'finds the server in the .mcp.json of the example, with the agent that it names',
    async () => {
      // It need not work to have its name.
      const tool = 'mcp__codex-mcp__get_my_session_info';
      await using model = await startScriptedClaude({ tool, input: {} });
      fs.copyFileSync(path.join(EXAMPLE, '.mcp.json'), path.join(home, '.mcp.json'));
      const environment = { CODEX_MCP_URL: localhost(server) };
      const args = ['-p', 'Who are you?', '--allowedTools', 'mcp__codex-mcp'];
      await runClaude({ home, args, modelUrl: model.url, environment });
      expect(JSON.parse(model.results[0]?.text ?? '')).toMatchObject({ agent_id: 'my-project' });
    },
    CLAUDE_LIMIT_MS,
  );
});

function claude(args: string[], modelUrl?: string): Promise<string> {
  return runClaude({ home, args, modelUrl });
}

function localhost({ url }: TestServer): string {
  return url.replace('127.0.0.1', 'localhost');
}

/** The arguments of the command in the example, for another server or transport. */
function documentedCommand(url: string, transport: string): string[] {
  const readme = fs.readFileSync(path.join(EXAMPLE, 'README.md'), 'utf8');
  const [, words = ''] = /^claude (mcp add .*)$/m.exec(readme) ?? [];
  const told = words
    .replace('http://localhost:8210/sse', url)
    .replace('port sse', `port ${transport}`);
  return told.split(' ');
}

type ClaudeRun = {
  home: string;
  args: string[];
  modelUrl?: string | undefined;
  environment?: Record<string, string>;
};

/** Answers what it printed; a failure carries that and what it wrote to standard error. */
async function runClaude({ home, args, modelUrl, environment }: ClaudeRun): Promise<string> {
  if (!client.available) throw new Error(client.reason);
  const program = path.join(client.directory, 'node_modules/.bin/claude');
  const running = execute(program, args, {
    cwd: home,
    timeout: CLAUDE_LIMIT_MS,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      ANTHROPIC_API_KEY: 'sk-ant-scripted',
      ANTHROPIC_BASE_URL: modelUrl ?? 'http://127.0.0.1:9',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_ERROR_REPORTING: '1',
      DISABLE_TELEMETRY: '1',
      ...environment,
    },
  });
  // In headless mode it waits for what may come from standard input.
  running.child.stdin?.end();
  return (await running).stdout;
}
