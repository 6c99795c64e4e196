import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import { commandIn } from '../fakes/stand-in-model/script.ts';
import { json, type Step, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const finding = (file: string, line_range: string) => ({
  ...{ file, line_range, severity: 'warning', category: 'style', message: 'Hm.', suggestion: null },
});

/** Runs what the task says after `run:`; reviews find something on two lines, one of which is made up. */
function model({ prompt, toolOutputs, schema }: ModelRequest): Step {
  const command = commandIn(prompt);
  if (command && toolOutputs.length === 0) return shell(command);
  if (!prompt.includes('To be reviewed')) return json(fillSchema(schema));
  const comments = [finding('./b.txt', '2'), finding('b.txt', '999'), finding('never.txt', '1')];
  return json({ ...(fillSchema(schema) as object), comments });
}

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let server: TestServer;
  let client: Connection;
  let turn_id: string;

  beforeAll(async () => {
    server = await startTestServer({ runtime, script: model });
    client = await connect(server);
    const commands = [
      'seq 5 > a.txt; git add .; git -c user.name=x -c user.email=x@x commit -qm one; git branch base',
      'seq 3 > b.txt; git add .; git -c user.name=x -c user.email=x@x commit -qm two',
      'seq 9 > b.txt',
    ];
    for (const command of commands) {
      const args = { agent_id: 'a', task: `run:${command}` };
      ({ turn_id } = await call(client, 'implement', args));
    }
  });

  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const review = (args: object) => call(client, 'review', { agent_id: 'a', ...args });
  const asked = () => server.model.requests.at(-1)?.seen.prompt ?? '';

  test('a range against a base branch', async () => {
    const { comments, unplaced_comments, reviewed } = await review({ target: { base: 'base' } });
    expect(asked()).toContain('+3\n');
    expect(asked()).not.toContain('+4\n');
    expect(comments).toEqual([expect.objectContaining({ file: 'b.txt', line_range: '2' })]);
    expect(unplaced_comments).toMatchObject([
      { line_range: '999', problem: 'Lines 999 are not among those reviewed.' },
      { file: 'never.txt', problem: 'The file is not part of what was reviewed.' },
    ]);
    expect(reviewed.to).toMatch(/^[0-9a-f]{40}$/);
  });

  test('what is not committed, a commit, and a turn', async () => {
    await review({ target: 'uncommitted' });
    expect(asked()).toContain('+9\n');
    await review({ target: { commit: 'HEAD~1' } });
    expect(asked()).toContain('+++ b/a.txt');
    const { comments } = await call(client, 'review', { target: { turn_id } });
    expect(asked()).toContain('+9\n');
    // The third turn changed lines 4 to 9; the second line is shown around them.
    expect(comments).toHaveLength(1);
  });

  test('files of the workspace, and some with their content', async () => {
    const files = ['.', { path: 'never.txt', content: 'one\n```\ntwo' }];
    const { comments, unplaced_comments } = await review({ files });
    expect(asked()).toMatch(/- a\.txt\n- b\.txt/);
    expect(asked()).toContain('never.txt:\n````\none\n```\ntwo\n````');
    expect(comments.map(({ file }: { file: string }) => file)).toEqual(['b.txt', 'never.txt']);
    expect(unplaced_comments).toMatchObject([{ line_range: '999' }]);
  });

  test('what cannot be reviewed is said before Codex is asked', async () => {
    const before = server.model.requests.length;
    for (const [args, message] of [
      [{}, /give one of content, diffs, files, target/],
      [{ content: 'x', target: 'uncommitted' }, /give one of/],
      [{ target: { commit: '--output=/tmp/x' } }, /invalid_input/],
      [{ target: { commit: 'nothing' } }, /commit_not_found: The workspace has no commit nothing/],
      [{ target: { base: 'HEAD' } }, /There is nothing to review/],
      [{ files: ['no/such'] }, /the workspace does not have no\/such/],
      [{ files: ['../etc/passwd'] }, /invalid_input/],
      [{ target: { turn_id: 'nobody' } }, /turn_not_found/],
    ] as const) {
      await expect(review(args), JSON.stringify(args)).rejects.toThrow(message);
    }
    expect(server.model.requests).toHaveLength(before);
  });

  test('diffs, with the findings as SARIF', async () => {
    const diffs = '--- a/b.txt\n+++ b/b.txt\n@@ -1 +1,2 @@\n one\n+two\n';
    const { turn_id, comments } = await review({ diffs });
    expect(comments).toHaveLength(1);
    const response = await fetch(`${server.url}/api/v1/turns/${turn_id}/sarif`);
    expect(response.headers.get('content-type')).toContain('application/sarif+json');
    expect(await response.json()).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          results: [
            {
              level: 'warning',
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: 'b.txt' },
                    region: { startLine: 2, endLine: 2 },
                  },
                },
              ],
            },
          ],
        },
      ],
    });
    const missing = await fetch(`${server.url}/api/v1/turns/nobody/sarif`);
    expect(missing.status).toBe(404);
  });
});
