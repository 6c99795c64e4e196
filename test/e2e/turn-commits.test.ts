import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import { commandIn } from '../fakes/stand-in-model/script.ts';
import { http, json, type Step, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import {
  type Connection,
  call,
  connect,
  REAL_KEY,
  startTestServer,
  type TestServer,
} from './test-server.ts';

const SHA = /^[0-9a-f]{40}$/;

/** Runs what the task says after `run:`, and answers what was asked for, or fails where it says so. */
function obey({ prompt, toolOutputs, schema }: ModelRequest): Step {
  const command = commandIn(prompt);
  if (command && toolOutputs.length === 0) return shell(command);
  return prompt.includes('then fail') ? http(400) : json(fillSchema(schema));
}

describe.each(CHEAPEST)('turns in the $runtime runtime', ({ runtime }) => {
  let server: TestServer;
  let client: Connection;
  let directory: string;

  beforeAll(async () => {
    server = await startTestServer({ runtime, script: obey });
    client = await connect(server);
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-commits-'));
  }, 120_000);
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    if (directory) fs.rmSync(directory, { recursive: true, force: true });
  });

  const implement = (agent_id: string, command: string, more: object = {}) =>
    call(client, 'implement', { agent_id, task: `Work\nrun:${command}`, ...more });
  const git = (cwd: string, args: string[], input = '') =>
    execFileSync('git', args, { cwd, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
  const patchOf = async (url: string) => {
    const answer = await fetch(`${server.url}/api/v1/${url}`);
    expect(answer.headers.get('content-type')).toContain('text/x-diff');
    return answer.text();
  };
  const emptyRepository = (name: string) => {
    const at = path.join(directory, name);
    git(directory, ['init', '-q', '-b', 'main', at]);
    return at;
  };

  test('are commits whose diffs are what the results say', async () => {
    const first = await implement('one', 'printf "1\\n2\\n" > a.txt; printf "\\0" > bin');
    expect(first.commit).toEqual({
      ...{ id: expect.stringMatching(SHA), branch: 'codex/work' },
      ref: `refs/codex/turns/${first.turn_id}`,
    });
    expect(first.diffstat).toContain('a.txt | +2 -0\n bin | binary\n 2 files changed');
    const second = await call(client, 'codex', {
      agent_id: 'one',
      prompt: `The key is ${REAL_KEY} run:mv a.txt "b é.txt"; echo 3 >> "b é.txt"`,
    });
    expect(second.commit.parent).toBe(first.commit.id);

    const changes = await call(client, 'get_changes', { turn_id: second.turn_id });
    expect(changes).toMatchObject({
      ...{ agent_id: 'one', from: first.commit.id, to: second.commit.id, truncated: false },
      commits: [{ turn_id: second.turn_id, commit: second.commit }],
      changes: [{ file: 'b é.txt', old_file: 'a.txt', action: 'rename', additions: 1 }],
    });
    const copy = emptyRepository('one');
    for (const { turn_id } of [first, second]) {
      git(copy, ['apply', '--index'], await patchOf(`turns/${turn_id}/diff`));
    }
    expect(fs.readFileSync(path.join(copy, 'b é.txt'), 'utf8')).toBe('1\n2\n3\n');
    expect(git(copy, ['ls-files', '-z'])).toBe('b é.txt\0bin\0');
    const whole = emptyRepository('whole');
    git(whole, ['apply', '--index'], await patchOf(`agents/one/diff?from=${first.turn_id}`));
    expect(git(whole, ['write-tree'])).toBe(git(copy, ['write-tree']));

    if (runtime !== 'process') return;
    const origin = path.join(server.dataDir, 'agents/one/workspace');
    git(copy, ['fetch', '-q', origin, '+refs/heads/*:refs/remotes/agent/*']);
    expect(git(copy, ['rev-parse', 'agent/codex/work^{tree}'])).toBe(git(copy, ['write-tree']));
    expect(
      git(copy, ['-c', 'core.quotePath=false', 'diff', `${first.commit.id}..agent/codex/work`]),
    ).toBe(changes.changes[0].diff);
    const message = git(copy, ['log', '-1', '--format=%an%n%B', 'agent/codex/work']);
    expect(message).toMatch(/^one\nThe key is \[redacted/);
    expect(message).toContain(
      `\nCodex-Turn: ${second.turn_id}\nCodex-Session: ${second.threadId}\n`,
    );
    expect(message).not.toContain(REAL_KEY);
  });

  test('are told together, in part, and beside what no commit has', async () => {
    const first = await implement('two', 'echo 1 > a; mkdir d; echo 1 > d/b');
    const idle = await implement('two', 'true');
    expect(idle).not.toHaveProperty('commit');
    const last = await implement('two', 'echo 2 >> a; echo 2 >> d/b');
    const changes = (args: Record<string, unknown>) => call(client, 'get_changes', args);
    const session = await changes({ session_id: first.session_id, stat_only: true });
    expect(session).toMatchObject({ from: null, to: last.commit.id });
    expect(session.commits.map((one: { turn_id: string }) => one.turn_id)).toEqual([
      first.turn_id,
      last.turn_id,
    ]);
    expect(session.diffstat).toContain('2 files changed, 4 insertions(+), 0 deletions(-)');
    expect(session.changes[0]).not.toHaveProperty('diff');
    const range = { from_turn: first.turn_id, to_turn: last.turn_id };
    const some = await changes({ ...range, paths: ['d'], context_lines: 0 });
    expect(some.changes).toMatchObject([{ file: 'd/b', action: 'create', additions: 2 }]);
    const present = await changes({ agent_id: 'two' });
    expect(present).toMatchObject({ from: null, to: null, commits: [] });
    expect(present.changes.map(({ file }: { file: string }) => file)).toEqual(['a', 'd/b']);

    const wrong = { from_turn: last.turn_id, to_turn: first.turn_id };
    await expect(changes(wrong)).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(changes({ turn_id: idle.turn_id })).rejects.toMatchObject({
      code: 'commit_not_found',
    });
    await expect(changes({ turn_id: first.turn_id, agent_id: 'one' })).rejects.toMatchObject({
      code: 'turn_not_found',
    });
    expect((await fetch(`${server.url}/api/v1/turns/none/diff`)).status).toBe(404);
    expect((await fetch(`${server.url}/api/v1/agents/nobody/diff`)).status).toBe(404);
    expect((await fetch(`${server.url}/api/v1/agents/two/diff?to=`)).status).toBe(400);
  });

  test('can be reverted, once, and not over later changes or a turn', async () => {
    const first = await implement('three', 'seq 9 > f');
    const second = await implement('three', 'sed -i "s/^2$/two/" f; echo x > x');
    await implement('three', 'sed -i "s/^8$/eight/" f');
    const revert = (turn_id: string) => call(client, 'revert_turn', { turn_id });
    await expect(revert(first.turn_id)).rejects.toMatchObject({ code: 'revert_conflict' });
    const busy = implement('three', 'sleep 2');
    await expect
      .poll(() => call(client, 'get_agent_status', { agent_id: 'three' }))
      .toMatchObject({ status: 'busy' });
    await expect(revert(second.turn_id)).rejects.toMatchObject({ code: 'agent_busy' });
    await busy;
    const reverted = await revert(second.turn_id);
    expect(reverted).toMatchObject({
      commit: { ref: `refs/codex/reverts/${second.turn_id}`, branch: 'codex/work' },
      changes: [
        { file: 'f', action: 'modify', additions: 1, deletions: 1 },
        { file: 'x', action: 'delete' },
      ],
      notes: [],
    });
    await expect(revert(second.turn_id)).rejects.toMatchObject({ code: 'already_reverted' });
    const after = await implement('three', 'cp f g');
    expect(after.commit.parent).toBe(reverted.commit.id);
    expect(after.changes[0].diff).toContain('+2\n+3\n+4\n+5\n+6\n+7\n+eight\n+9\n');
  });

  test('that fail are commits too, and later servers know them', async () => {
    const before = await implement('three', 'echo 0 > late');
    const late = implement('three', 'echo 1 >> late; sleep 60', { timeout_seconds: 3 });
    await expect(late).rejects.toMatchObject({ code: 'turn_timeout' });
    await expect(implement('three', 'echo 2 >> late # then fail')).rejects.toMatchObject({
      code: 'model_rejected',
    });
    await server.restart();
    await client[Symbol.asyncDispose]();
    client = await connect(server);
    const { turns } = await call(client, 'list_turns', { agent_id: 'three' });
    const [failed, expired] = turns.map(({ turn_id }: { turn_id: string }) => turn_id);
    const changes = await call(client, 'get_changes', { from_turn: expired, to_turn: failed });
    expect(changes).toMatchObject({ from: before.commit.id, changes: [{ additions: 2 }] });
    expect(changes.commits).toHaveLength(2);
  });
});
