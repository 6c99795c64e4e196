import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, type Main, submitted, type World, waited } from './main-process.ts';

const ASKING = { agent_id: 'a', 'approval-policy': 'untrusted' };
const CREATED = [{ file: 'ran.txt', action: 'create' }];

/** Runs a command as often as the prompt says. */
const runs: Script = ({ prompt, toolOutputs }) =>
  toolOutputs.length < Number(prompt)
    ? shell('echo once >> ran.txt')
    : text(`${toolOutputs.length} outputs`);

type Approval = { approval_id: string; state: string; kind: string; turn_id: string };

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(runtime, { model: { script: runs } });
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  test('what waits is decided on once, whichever server runs by then', async () => {
    const manual = { CODEX_APPROVAL_MODE: 'manual' };
    const first = await world.start(manual);
    const turnId = await submitted(first, 'codex', { ...ASKING, prompt: '2' });
    const call = await pending(first);
    expect(call).toMatchObject({ kind: 'turn', turn_id: turnId });
    await kill(first, 'SIGKILL');

    // The call goes on waiting, and runs when it is approved.
    const second = await world.start(manual);
    expect(await pending(second)).toEqual(call);
    await sleep(500);
    expect(world.model.requests).toHaveLength(0);
    await decide(second, call, { approve: true });
    const command = await pendingAfter(second, call);
    await kill(second, 'SIGKILL');

    // What Codex asked for is not asked again, and the answer of the next server reaches it.
    const third = await world.start(manual);
    expect(await pending(third)).toMatchObject({ approval_id: command.approval_id });
    await sleep(1500);
    expect(await of(third, turnId)).toHaveLength(2);
    await decide(third, command, { approve: true });
    const another = await pendingAfter(third, command);
    // Whether or not Codex hears of it before the end.
    await decide(third, another, { approve: true });
    await kill(third, 'SIGKILL');

    const fourth = await world.start(manual);
    const ended = await waited(fourth, turnId);
    expect(ended).toMatchObject({ state: 'completed', result: { content: '2 outputs' } });
    expect(ended.result.changed_files).toEqual(CREATED);
    const states = (await of(fourth, turnId)).map(({ state }) => state);
    expect(states).toEqual(['approved', 'approved', 'approved']);
    await kill(fourth, 'SIGTERM');
  });

  test('what expired while no server ran is declined by the next', async () => {
    const first = await world.start({ APPROVAL_TIMEOUT: '2' });
    const turnId = await submitted(first, 'codex', { ...ASKING, prompt: '1' });
    await pending(first);
    await kill(first, 'SIGKILL');
    await sleep(2000);
    const second = await world.start({ APPROVAL_TIMEOUT: '2' });
    expect(await waited(second, turnId)).toMatchObject({
      state: 'completed',
      result: { changed_files: [] },
    });
    expect(await of(second, turnId)).toMatchObject([{ state: 'expired' }]);
    await kill(second, 'SIGTERM');
  });
});

async function all({ url }: Main): Promise<Approval[]> {
  const response = await fetch(`${url}/api/v1/approvals`);
  return ((await response.json()) as { approvals: Approval[] }).approvals;
}

async function of(server: Main, turnId: string): Promise<Approval[]> {
  return (await all(server)).filter(({ turn_id }) => turn_id === turnId);
}

async function waiting(server: Main): Promise<Approval[]> {
  return (await all(server)).filter(({ state }) => state === 'pending');
}

/** The one approval that waits. */
async function pending(server: Main): Promise<Approval> {
  await expect.poll(() => waiting(server)).toHaveLength(1);
  const [only] = await waiting(server);
  if (!only) throw new Error('nothing waits');
  return only;
}

/** What waits once something else was decided on. */
async function pendingAfter(server: Main, { approval_id: decided }: Approval): Promise<Approval> {
  const next = async () => (await waiting(server)).map(({ approval_id }) => approval_id);
  await expect.poll(next).toEqual([expect.not.stringContaining(decided)]);
  return await pending(server);
}

async function decide(server: Main, { approval_id }: Approval, verdict: object): Promise<void> {
  const response = await fetch(`${server.url}/api/v1/approvals/${approval_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(verdict),
  });
  expect(response.status).toBe(200);
}
