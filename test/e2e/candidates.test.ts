import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import { commandIn } from '../fakes/stand-in-model/script.ts';
import { http, json, type Step, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld } from './main-process.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

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
  let server: TestServer;
  let client: Connection;
  beforeAll(async () => {
    server = await startTestServer({ runtime, script: solve });
    client = await connect(server);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const implement = (agent_id: string, command: string) =>
    call(client, 'implement', { agent_id, task: `run:${command}` });
  const names = async (): Promise<string[]> => {
    const { sessions } = await call(client, 'list_sessions');
    return sessions.map(({ agent_id }: { agent_id: string }) => agent_id);
  };

  test('several copies do the same work, the best is told first, and any is taken over', async () => {
    const { session_id } = await implement(
      'one',
      'seq 5 > seed.txt; git add .; git -c user.name=x -c user.email=x@x commit -qm one',
    );
    const { turn_id, candidates, ...told } = await call(client, 'implement', {
      agent_id: 'one',
      ...TASK,
    });
    expect(candidates).toMatchObject([
      { rank: 1, model: 'short', changed_lines: 5, changes: [{ file: 'answer.txt' }] },
      { rank: 2, model: 'long', changed_lines: 14 },
    ]);
    expect(told).toMatchObject({ agent_id: 'one', changes: candidates[0].changes });
    expect(told.usage.model_requests).toBe(4);
    expect(client.progress.join('\n')).toMatch(/Candidate [12]: /);

    // Each candidate goes on where it is; the agent itself has nothing of it.
    const [best, other] = candidates.map(({ agent_id }: { agent_id: string }) => agent_id);
    const further = await implement(other, 'sed -i s/5/five/ seed.txt');
    expect(further.changes).toMatchObject([{ file: 'seed.txt' }]);
    const own = await implement('one', 'sed -i s/1/one/ seed.txt; ls > list.txt');
    expect(JSON.stringify(own.changes)).not.toContain('answer');

    const done = await call(client, 'promote_candidate', { turn_id, agent_id: other });
    expect(done).toMatchObject({ agent_id: 'one', promoted: other, kept: [] });
    expect(done.commits).toHaveLength(2);
    expect([...done.removed].sort()).toEqual([best, other].sort());
    expect(await names()).toEqual(expect.not.arrayContaining([best]));
    expect(await names()).toEqual(expect.not.arrayContaining([other]));

    const after = await implement(
      'one',
      'cat seed.txt list.txt; wc -l answer.txt; git log --oneline codex/work',
    );
    expect(after.session_id).not.toBe(session_id);
    const [output = ''] = server.model.requests.at(-1)?.seen.toolOutputs ?? [];
    expect(output).toMatch(/one\s+2\s+3\s+4\s+five\s+list\.txt\s+seed\.txt\s+14 answer\.txt/);
    expect(output.match(/Take over a candidate/g)).toHaveLength(2);
    // It knows what the candidate was told.
    expect(JSON.stringify(server.model.requests.at(-1))).toContain('s/5/five/');
    const again = call(client, 'promote_candidate', { turn_id });
    await expect(again).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  test('a conflict changes nothing, and without it the best is taken over', async () => {
    await implement('two', 'echo seed > seed.txt');
    const made = await call(client, 'implement', { agent_id: 'two', ...TASK });
    const { turn_id } = made;
    const candidates = made.candidates.map(({ agent_id }: { agent_id: string }) => agent_id);
    await implement('two', 'echo mine > answer.txt');
    await expect(call(client, 'promote_candidate', { turn_id })).rejects.toThrow(
      /promotion_conflict: .*answer\.txt/,
    );
    expect(await names()).toEqual(expect.arrayContaining(candidates));
    await implement('two', 'rm answer.txt');
    const { commits } = await call(client, 'promote_candidate', { turn_id });
    expect(commits).toMatchObject([{ branch: 'codex/work' }]);
    const { changes } = await call(client, 'get_changes', { agent_id: 'two' });
    expect(changes).toMatchObject([{ file: 'answer.txt', additions: 1 }, { file: 'seed.txt' }]);
  });

  test('who fails comes last, none may be taken, and only where all fail there is no result', async () => {
    server.model.setScript((request) =>
      request.model === 'bad' ? http(400, { error: { message: 'no such model' } }) : solve(request),
    );
    const attempt = (...models: string[]) =>
      call(client, 'implement', {
        ...{ agent_id: 'one', task: 'x' },
        candidates: models.map((model) => ({ model })),
      });
    const { turn_id, candidates } = await attempt('bad', 'good');
    expect(candidates).toMatchObject([
      { model: 'good', rank: 1 },
      { model: 'bad', rank: 2, error: { message: expect.stringContaining('no such model') } },
    ]);
    const done = await call(client, 'promote_candidate', { turn_id, none: true });
    expect(done).toMatchObject({ commits: [], removed: [expect.any(String), expect.any(String)] });
    await expect(attempt('bad', 'bad')).rejects.toMatchObject({ code: 'candidates_failed' });
  });

  test('cancelling ends all of them', async () => {
    server.model.setScript(solve);
    const args = { agent_id: 'one', task: 'run:sleep 60', candidates: 2, wait: false };
    const { turn_id } = await call(client, 'implement', args);
    const states = async () =>
      (await call(client, 'list_turns', {})).turns
        .slice(0, 3)
        .map(({ state }: { state: string }) => state);
    await expect.poll(states).toEqual(['running', 'running', 'running']);
    await call(client, 'cancel_turn', { turn_id });
    expect(await states()).toEqual(['interrupted', 'interrupted', 'interrupted']);
  });
});

test('the next server takes all of them up', async () => {
  await using world = await createWorld('process');
  world.model.setScript(solve);
  const first = await world.start();
  await using client = await connect(first);
  const args = { agent_id: 'one', task: 'run:sleep 3; echo x > x', candidates: 2, wait: false };
  const { turn_id } = await call(client, 'implement', args);
  await expect
    .poll(async () => (await call(client, 'list_turns', {})).turns.length)
    .toBeGreaterThan(2);
  first.process.kill('SIGKILL');
  await using later = await connect(await world.start());
  const { state, result } = await call(later, 'wait_turn', { turn_id, timeout_seconds: 60 });
  expect(state).toBe('completed');
  expect(result.candidates).toMatchObject(Array(2).fill({ changes: [{ file: 'x' }] }));
  expect((await call(later, 'list_turns', {})).turns).toHaveLength(3);
});
