import { afterAll, beforeAll, expect, test } from 'vitest';
import { GitClient } from '../e2e/git-client.ts';
import { call, connect, startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { shell } from '../fakes/stand-in-model/step.ts';
import { pathOf, runProgram } from './run-example.ts';

const CHECK = 'grep -q right answer.txt';
/** One for each candidate. */
const WAYS = [
  'seq 9 > answer.txt; echo right >> answer.txt',
  'echo right > answer.txt',
  'seq 3 > answer.txt',
];

let server: TestServer;
let asked = 0;

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script(request) {
      if (request.toolOutputs.length > 0 || !request.prompt.includes('Answer it')) {
        return answerAnything(request);
      }
      asked += 1;
      return shell(WAYS[(asked - 1) % WAYS.length] ?? '');
    },
  });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const bestOf3 = (...args: string[]) =>
  runProgram(process.execPath, [pathOf('best-of-3/best-of-3.ts'), ...args], {
    environment: { CODEX_MCP_URL: server.url },
  });

test('three candidates are shown, the best first, and how to go on', async () => {
  const { code, stdout, stderr } = await bestOf3('shown', 'Answer it', CHECK);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
  expect(rows.slice(0, 4)).toEqual([
    ['rank', 'model', 'check', 'lines', 'agent'],
    ['1', 'default', 'passed, round 1', '1', expect.stringMatching(/^shown-try-/)],
    ['2', 'default', 'passed, round 1', '10', expect.stringMatching(/^shown-try-/)],
    ['3', 'default', 'failed', '3', expect.stringMatching(/^shown-try-/)],
  ]);

  // What it says is what works.
  const commands = stdout.match(/(?:git|curl) .*/g) ?? [];
  expect(commands).toHaveLength(3);
  using mine = await GitClient.repository({ 'a.txt': 'a' });
  for (const command of [commands[0] ?? '', commands[2] ?? '']) {
    const ran = await runProgram('sh', ['-c', command], { directory: mine.directory });
    expect(ran.stdout).not.toContain('"error"');
    expect(ran).toMatchObject({ code: 0 });
  }
  expect(await filesOf('shown')).toEqual(['answer.txt']);
});

test('the best is taken over', async () => {
  const { code, stdout, stderr } = await bestOf3(
    'taker',
    'Answer it',
    'test -s answer.txt',
    '--take',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/taker goes on from the best.*\n {2}[0-9a-f]{40} on codex\/work\n$/);
});

test('it says why there is no result, and that no server is there', async () => {
  const failing = await bestOf3('../x', 'Answer it', CHECK);
  expect(failing).toMatchObject({ code: 1, stderr: expect.stringMatching(/^invalid_input: /) });
  const environment = { CODEX_MCP_URL: 'http://127.0.0.1:1' };
  const args = [pathOf('best-of-3/best-of-3.ts'), 'a', 'b', 'c'];
  expect(await runProgram(process.execPath, args, { environment })).toMatchObject({
    code: 1,
    stderr: 'No server answers at http://127.0.0.1:1.\n',
  });
});

/** How its files differ from its HEAD. */
async function filesOf(agentId: string): Promise<string[]> {
  await using client = await connect(server);
  const { changes } = await call(client, 'get_changes', { agent_id: agentId });
  return changes.map(({ file }: { file: string }) => file);
}
