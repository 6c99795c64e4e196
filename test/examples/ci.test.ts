import fs from 'node:fs';
import path from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GitClient } from '../e2e/git-client.ts';
import { startTestServer, type TestServer } from '../e2e/test-server.ts';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { shell } from '../fakes/stand-in-model/step.ts';
import { type ExampleRun, pathOf, runProgram } from './run-example.ts';

const SECRET = 'signs-the-token-of-the-ci-of-this-test';
const FILES = {
  'package.json': '{"type": "module", "scripts": {"test": "node add.test.js"}}\n',
  'add.js': 'export const add = (a, b) => a - b;\n',
  'add.test.js': `import assert from 'node:assert';
import test from 'node:test';
import { add } from './add.js';

test('two and three are five', () => assert.equal(add(2, 3), 5));
`,
};

/** Knows what to do from what the test said. */
const mends: Script = (request) =>
  request.toolOutputs.length === 0 && request.prompt.includes('two and three are five')
    ? shell("sed -i 's/a - b/a + b/' add.js")
    : answerAnything(request);

describe('in CI', () => {
  let server: TestServer;
  let token: string;

  beforeAll(async () => {
    const environment = { JWT_SECRET: SECRET };
    server = await startTestServer({ runtime: 'process', script: mends, environment });
    const claims = new SignJWT({ sub: 'ci', role: 'developer' }).setExpirationTime('1h');
    const key = new TextEncoder().encode(SECRET);
    token = await claims.setProtectedHeader({ alg: 'HS256' }).sign(key);
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  /** The step of the workflow, in a clone as shallow as those of CI. */
  const runStep = (clone: GitClient, job: string, shown = token): Promise<ExampleRun> => {
    const workflow = fs.readFileSync(pathOf('ci/fix-failing-test.yml'), 'utf8');
    const [, step = ''] = /run: (scripts\/.*)/.exec(workflow) ?? [];
    return runProgram('sh', ['-c', step], {
      directory: clone.directory,
      environment: {
        ...{ CODEX_MCP_URL: server.url, CODEX_MCP_JOB: job },
        ...(shown && { CODEX_MCP_TOKEN: shown }),
      },
    });
  };

  test('a failing test is mended on a branch of its own', async () => {
    using origin = await originWith(FILES);
    using clone = await cloneOf(origin);
    server.model.setScript(mends);
    const { code, stdout, stderr } = await runStep(clone, '17-1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Pushed codex/fix-17-1');
    expect(await branchesOf(origin)).toEqual(['codex/fix-17-1', 'main']);
    const diff = await origin.git('diff', '--stat=80', 'main', 'codex/fix-17-1');
    expect(diff).toMatch(/add\.js \| 2 \+-\n 1 file changed/);
    expect(await origin.git('show', 'codex/fix-17-1:add.js')).toContain('a + b');
    expect(await origin.git('log', '--format=%an', 'main..codex/fix-17-1')).toBe('ci-17-1');

    await clone.git('fetch', '-q', 'origin', 'codex/fix-17-1');
    await clone.git('checkout', '-q', 'FETCH_HEAD');
    const passing = await runStep(clone, '18-1');
    expect(passing).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to mend') });
    expect(await branchesOf(origin)).toEqual(['codex/fix-17-1', 'main']);
  });

  test('what is not mended is not pushed, and the output says why', async () => {
    using origin = await originWith(FILES);
    using clone = await cloneOf(origin);
    server.model.setScript(answerAnything);
    const { code, stderr } = await runStep(clone, '19-1');
    expect(code).toBe(1);
    expect(stderr).toContain('✖ two and three are five');
    expect(stderr).toContain('The check did not pass in 3 rounds');
    expect(await branchesOf(origin)).toEqual(['main']);
  });

  test('who shows no token is told so', async () => {
    using origin = await originWith(FILES);
    using clone = await cloneOf(origin);
    const { code, stderr } = await runStep(clone, '20-1', '');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^unauthorized: /) });
  });
});

/** A bare repository whose main has the files and, as the workflow says, the script. */
async function originWith(files: Record<string, string>): Promise<GitClient> {
  const script = fs.readFileSync(pathOf('ci/fix-failing-test.sh'));
  using mine = await GitClient.repository({ ...files, 'scripts/fix-failing-test.sh': script });
  fs.chmodSync(mine.path('scripts/fix-failing-test.sh'), 0o755);
  await mine.commit({});
  const origin = new GitClient();
  await origin.git('clone', '-q', '--bare', mine.directory, '.');
  return origin;
}

async function cloneOf(origin: GitClient): Promise<GitClient> {
  const clone = new GitClient();
  await clone.git('clone', '-q', '--depth=1', `file://${path.resolve(origin.directory)}`, '.');
  return clone;
}

async function branchesOf(origin: GitClient): Promise<string[]> {
  const names = await origin.git('for-each-ref', '--format=%(refname:short)', 'refs/heads');
  return names.split('\n');
}
