import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { http, json, patch, shell } from '../fakes/stand-in-model/step.ts';
import { call, connect, startTestServer } from './test-server.ts';

const engine = inject('engine');

/** What a model may try that was told to change nothing. */
const ATTEMPTS = {
  'files that come, change and go':
    'echo evil > evil.txt; echo evil >> kept.txt; mv kept.txt moved.txt; ln -s /etc/passwd link',
  'a new repository inside': 'git init -q sub && echo evil > sub/evil && git -C sub add evil',
  'a commit and a hook': 'git add -A && git commit -qm evil; echo evil > .git/hooks/pre-commit',
  'the loss of the repository': 'find .git -type f -delete',
  'a process that goes on, and a daemon':
    'echo evil > early.txt; (sleep 1; echo evil > late.txt) & setsid -f sh -c "sleep 1; echo evil > /workspace/late.txt" >/dev/null 2>&1; sleep 0.1',
};

const LOOK =
  'git status --porcelain --branch; find . -not -path "./.git/*" | sort; cat kept.txt; git for-each-ref';

describe.runIf(engine.available)('a plan changes nothing in a container', () => {
  let reader: Awaited<ReturnType<typeof startReader>>;
  beforeAll(async () => {
    reader = await startReader();
  });
  afterAll(() => reader?.[Symbol.asyncDispose]());

  test.each(Object.entries(ATTEMPTS))('not by %s', async (_name, command) => {
    reader.model.setScript(runsOnce(command));
    const plan = await reader.call('plan', { task: 'Look only' });
    expect(plan.undone_changes.length).toBeGreaterThan(0);
    if (/late/.test(command)) await sleep(1500);
    expect(await reader.look()).toBe(reader.before);
  });

  test('not by a patch in a review either', async () => {
    reader.model.setScript(({ toolOutputs, schema }) =>
      toolOutputs.length === 0
        ? patch('*** Begin Patch\n*** Add File: evil.txt\n+evil\n*** End Patch\n')
        : json(fillSchema(schema)),
    );
    const review = await reader.call('review', { content: 'kept.txt' });
    expect(review.undone_changes).toEqual(['evil.txt']);
    expect(await reader.look()).toBe(reader.before);
  });

  test('not by more files than an answer lists', async () => {
    reader.model.setScript(runsOnce('mkdir d; for i in $(seq 1200); do echo $i > d/$i; done'));
    const { undone_changes } = await reader.call('plan', { task: 'Look only' });
    expect(undone_changes).toHaveLength(1001);
    expect(undone_changes.at(-1)).toBe('… and 200 more');
    expect(await reader.look()).toBe(reader.before);
  });

  test('not by a turn that fails after it wrote', async () => {
    reader.model.setScript(({ toolOutputs }) =>
      toolOutputs.length === 0 ? shell('echo evil > kept.txt') : http(400),
    );
    const failing = reader.call('plan', { task: 'Look' });
    await expect(failing).rejects.toMatchObject({ code: 'model_rejected' });
    expect(await reader.look()).toBe(reader.before);
  });

  test('not by a turn that is cancelled in the middle', async () => {
    reader.model.setScript(runsOnce('echo evil > kept.txt; sleep 60'));
    const timed = reader.call('plan', { task: 'Look', timeout_seconds: 2 });
    await expect(timed).rejects.toMatchObject({ code: 'turn_timeout' });
    expect(await reader.look()).toBe(reader.before);
  });
});

/** An agent that has a file, and how its workspace looked when it had that. */
async function startReader() {
  await using started = new AsyncDisposableStack();
  const script = runsOnce('echo good > kept.txt');
  const target = started.use(await startTestServer({ runtime: 'docker', script }));
  const { model } = target;
  const client = started.use(await connect(target));
  const callReader = (tool: string, args: object) =>
    call(client, tool, { ...args, agent_id: 'reader' });
  /** What somebody sees who looks around in the workspace. */
  const look = async () => {
    model.setScript(runsOnce(LOOK));
    await callReader('implement', { task: 'Look' });
    const output = model.requests.at(-1)?.seen.toolOutputs.at(-1) ?? '';
    expect(output).toContain('./kept.txt');
    return output.slice(output.indexOf('Output:'));
  };
  await callReader('implement', { task: 'Begin' });
  const before = await look();
  const all = started.move();
  return { model, before, look, call: callReader, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
