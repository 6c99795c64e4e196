import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, type Main, submitted, waited } from './main-process.ts';

const ASKING = { prompt: 'x', agent_id: 'a', 'approval-policy': 'untrusted' };
/** The command counts how often it ran. */
const CREATED = [{ file: 'ran.txt', action: 'create' }];

const runs: Script = ({ toolOutputs }) =>
  toolOutputs.length === 0 ? shell('echo once >> ran.txt') : text(`${toolOutputs.length} outputs`);

type Approval = { approval_id: string; state: string; kind: string; turn_id: string };

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  test('what Codex asked for is answered once, by the next server', async () => {
    await using world = await createWorld(runtime, { model: { script: runs } });
    const first = await world.start();
    const turnId = await submitted(first, 'codex', ASKING);
    const asked = await pending(first);
    await kill(first, 'SIGKILL');

    const second = await world.start();
    expect(await pending(second)).toMatchObject({ approval_id: asked.approval_id });
    await sleep(1500);
    expect(await all(second)).toHaveLength(1);
    await decide(second, asked, { approve: true });
    const ended = await waited(second, turnId);
    expect(ended).toMatchObject({ state: 'completed', result: { content: '1 outputs' } });
    expect(ended.result.changed_files).toEqual(CREATED);
    expect(await all(second)).toMatchObject([{ state: 'approved' }]);
  });
});

test('what was decided on just before a server died is not asked again', async () => {
  await using world = await createWorld('process', { model: { script: runs } });
  const first = await world.start();
  const turnId = await submitted(first, 'codex', ASKING);
  const asked = await pending(first);
  // Whether or not Codex hears of it before the end.
  await decide(first, asked, { approve: true });
  await kill(first, 'SIGKILL');

  const second = await world.start();
  const ended = await waited(second, turnId);
  expect(ended).toMatchObject({ state: 'completed', result: { content: '1 outputs' } });
  expect(ended.result.changed_files).toEqual(CREATED);
  expect(await all(second)).toMatchObject([{ state: 'approved' }]);
});

test('what expired while no server ran is declined by the next', async () => {
  const environment = { APPROVAL_TIMEOUT: '2' };
  await using world = await createWorld('process', { model: { script: runs }, environment });
  const first = await world.start();
  const turnId = await submitted(first, 'codex', ASKING);
  await pending(first);
  await kill(first, 'SIGKILL');
  await sleep(2000);
  const second = await world.start();
  expect(await waited(second, turnId)).toMatchObject({
    state: 'completed',
    result: { changed_files: [] },
  });
  expect(await all(second)).toMatchObject([{ state: 'expired' }]);
});

test('a call that waited to be approved goes on waiting, and runs when it is', async () => {
  const environment = { CODEX_APPROVAL_MODE: 'manual' };
  await using world = await createWorld('process', { model: { script: runs }, environment });
  const first = await world.start();
  const turnId = await submitted(first, 'codex', { prompt: 'x', agent_id: 'a' });
  const asked = await pending(first);
  await kill(first, 'SIGKILL');

  const second = await world.start();
  expect(await pending(second)).toEqual(asked);
  await sleep(500);
  expect(world.model.requests).toHaveLength(0);
  await decide(second, asked, { approve: true });
  expect(await waited(second, turnId)).toMatchObject({ state: 'completed' });
  expect(await all(second)).toHaveLength(1);
});

async function all({ url }: Main): Promise<Approval[]> {
  const response = await fetch(`${url}/api/v1/approvals`);
  return ((await response.json()) as { approvals: Approval[] }).approvals;
}

/** The one approval that waits. */
async function pending(server: Main): Promise<Approval> {
  const waiting = async () => (await all(server)).filter(({ state }) => state === 'pending');
  await expect.poll(waiting, { timeout: 90_000 }).toHaveLength(1);
  const [only] = await waiting();
  if (!only) throw new Error('nothing waits');
  return only;
}

async function decide(server: Main, { approval_id }: Approval, verdict: object): Promise<void> {
  const response = await fetch(`${server.url}/api/v1/approvals/${approval_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(verdict),
  });
  expect(response.status).toBe(200);
}
