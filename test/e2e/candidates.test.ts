import { describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import { commandIn } from '../fakes/stand-in-model/script.ts';
import { http, json, type Step, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld } from './main-process.ts';
import { call, connect, startTestServer } from './test-server.ts';

/** Each model solves the task in its own way. */
const WAYS: Record<string, string> = {
  long: 'seq 9 > answer.txt; cat seed.txt >> answer.txt',
  short: 'cat seed.txt > answer.txt',
};

function solve({ prompt, model = '', toolOutputs, schema }: ModelRequest): Step {
  if (toolOutputs.length > 0) return json(fillSchema(schema));
  const command = commandIn(prompt);
  return shell(command ?? WAYS[model] ?? 'true');
}

const TASK = { task: 'Solve it', candidates: [{ model: 'long' }, { model: 'short' }] };

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  test('several copies do the same work, and the best is told first', async () => {
    await using server = await startTestServer({ runtime, script: solve });
    await using client = await connect(server);
    await call(client, 'implement', { agent_id: 'one', task: 'run:echo seed > seed.txt' });
    const { candidates, ...best } = await call(client, 'implement', { agent_id: 'one', ...TASK });
    expect(candidates).toMatchObject([
      { rank: 1, model: 'short', changed_lines: 1, changes: [{ file: 'answer.txt' }] },
      { rank: 2, model: 'long', changed_lines: 10 },
    ]);
    expect(best).toMatchObject({ agent_id: 'one', changes: candidates[0].changes });
    expect(best.usage.model_requests).toBe(4);
    expect(client.progress.join('\n')).toMatch(/Candidate [12]: /);
    // The agent itself has nothing of it; each candidate goes on where it is.
    const after = await call(client, 'implement', { agent_id: 'one', task: 'run:ls > list' });
    expect(after.changes).toMatchObject([
      { file: 'list', diff: expect.not.stringContaining('answer') },
    ]);
    const [{ agent_id }] = candidates;
    const further = await call(client, 'implement', { agent_id, task: 'run:cp answer.txt copy' });
    expect(further.changes).toMatchObject([
      { file: 'copy', diff: expect.stringContaining('+seed') },
    ]);
  });

  test('one is taken over into the agent, and all are removed', async () => {
    await using server = await startTestServer({ runtime, script: solve });
    await using client = await connect(server);
    const implement = (command: string) =>
      call(client, 'implement', { agent_id: 'one', task: `run:${command}` });
    const { session_id } = await implement(
      'seq 5 > seed.txt; git add .; git -c user.name=x -c user.email=x@x commit -qm one',
    );
    const { turn_id, candidates } = await call(client, 'implement', { agent_id: 'one', ...TASK });
    const [best, other] = candidates.map(({ agent_id }: { agent_id: string }) => agent_id);
    await call(client, 'implement', { agent_id: other, task: 'run:sed -i s/5/five/ seed.txt' });
    await implement('sed -i s/1/one/ seed.txt; echo later > later.txt');
    const done = await call(client, 'promote_candidate', { turn_id, agent_id: other });
    expect(done).toMatchObject({ agent_id: 'one', promoted: other, kept: [] });
    expect(done.commits).toHaveLength(2);
    expect([...done.removed].sort()).toEqual([best, other].sort());
    const { sessions } = await call(client, 'list_sessions');
    expect(sessions.map(({ agent_id }: { agent_id: string }) => agent_id)).toEqual(['one']);

    const after = await implement(
      'cat seed.txt later.txt; wc -l answer.txt; git log --oneline codex/work',
    );
    expect(after.session_id).not.toBe(session_id);
    const [output = ''] = server.model.requests.at(-1)?.seen.toolOutputs ?? [];
    expect(output).toMatch(/one\s+2\s+3\s+4\s+five\s+later\s+14 answer\.txt/);
    expect(output.match(/Take over a candidate/g)).toHaveLength(2);
    // It knows what the candidate was told.
    expect(JSON.stringify(server.model.requests.at(-1))).toContain('s/5/five/');
    const again = call(client, 'promote_candidate', { turn_id });
    await expect(again).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  test('the best is taken over, where nothing else changed', async () => {
    await using server = await startTestServer({ runtime, script: solve });
    await using client = await connect(server);
    await call(client, 'implement', { agent_id: 'one', task: 'run:echo seed > seed.txt' });
    const { turn_id } = await call(client, 'implement', { agent_id: 'one', ...TASK });
    const { commits } = await call(client, 'promote_candidate', { turn_id });
    expect(commits).toMatchObject([{ branch: 'codex/work' }]);
    const { changes } = await call(client, 'get_changes', { agent_id: 'one' });
    expect(changes).toMatchObject([{ file: 'answer.txt', additions: 1 }, { file: 'seed.txt' }]);
  });

  test('a conflict changes nothing, and none may be taken', async () => {
    await using server = await startTestServer({ runtime, script: solve });
    await using client = await connect(server);
    await call(client, 'implement', { agent_id: 'one', task: 'run:echo seed > seed.txt' });
    const { turn_id } = await call(client, 'implement', { agent_id: 'one', ...TASK });
    await call(client, 'implement', { agent_id: 'one', task: 'run:echo mine > answer.txt' });
    await expect(call(client, 'promote_candidate', { turn_id })).rejects.toThrow(
      /promotion_conflict: .*answer\.txt/,
    );
    const names = async () => (await call(client, 'list_sessions')).sessions.length;
    expect(await names()).toBe(3);
    const done = await call(client, 'promote_candidate', { turn_id, none: true });
    expect(done).toMatchObject({ commits: [], removed: [expect.any(String), expect.any(String)] });
    expect(await names()).toBe(1);
  });
});

test('who fails comes last, and only where all fail there is no result', async () => {
  await using server = await startTestServer({
    runtime: 'process',
    script: (request) =>
      request.model === 'bad' ? http(400, { error: { message: 'no such model' } }) : solve(request),
  });
  await using client = await connect(server);
  const attempt = (...models: string[]) =>
    call(client, 'implement', {
      agent_id: 'one',
      task: 'x',
      candidates: models.map((model) => ({ model })),
    });
  expect((await attempt('bad', 'good')).candidates).toMatchObject([
    { model: 'good', rank: 1 },
    { model: 'bad', rank: 2, error: { message: expect.stringContaining('no such model') } },
  ]);
  await expect(attempt('bad', 'bad')).rejects.toMatchObject({ code: 'candidates_failed' });
});

test('cancelling ends all of them', async () => {
  await using server = await startTestServer({ runtime: 'process', script: solve });
  await using client = await connect(server);
  const args = { agent_id: 'one', task: 'run:sleep 60', candidates: 2, wait: false };
  const { turn_id } = await call(client, 'implement', args);
  const turns = async () => (await call(client, 'list_turns', {})).turns;
  await expect
    .poll(async () => (await turns()).map(({ state }: { state: string }) => state))
    .toEqual(['running', 'running', 'running']);
  await call(client, 'cancel_turn', { turn_id });
  expect((await turns()).map(({ state }: { state: string }) => state)).toEqual(
    Array(3).fill('interrupted'),
  );
});

test('the next server takes all of them up', async () => {
  await using world = await createWorld('process');
  world.model.setScript(solve);
  const first = await world.start();
  await using client = await connect(first);
  const args = { agent_id: 'one', task: 'run:sleep 3; echo x > x', candidates: 3, wait: false };
  const { turn_id } = await call(client, 'implement', args);
  await expect
    .poll(async () => (await call(client, 'list_turns', {})).turns.length)
    .toBeGreaterThan(2);
  first.process.kill('SIGKILL');
  await using later = await connect(await world.start());
  const { state, result } = await call(later, 'wait_turn', { turn_id, timeout_seconds: 60 });
  expect(state).toBe('completed');
  expect(result.candidates).toMatchObject(Array(3).fill({ changes: [{ file: 'x' }] }));
  expect((await call(later, 'list_turns', {})).turns).toHaveLength(4);
});
