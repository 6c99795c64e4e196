import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, type Main, submitted, type World, waited } from './main-process.ts';

const ASKING = { prompt: 'x', agent_id: 'a', 'approval-policy': 'untrusted' };

/** What a command writes shows whether it ran. */
const runs =
  (file: string): Script =>
  ({ toolOutputs }) =>
    toolOutputs.length === 0
      ? shell(`echo once >> ${file}`)
      : text(`${toolOutputs.length} outputs`);

type Approval = { approval_id: string; state: string; kind: string; turn_id: string };

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let world: World;
  let server: Main;
  beforeAll(async () => {
    world = await createWorld(runtime);
    server = await world.start();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const killAndStart = async (settings: Record<string, string> = {}) => {
    await kill(server, 'SIGKILL');
    server = await world.start(settings);
  };

  test('what Codex asked for is answered once, by the next server', async () => {
    world.model.setScript(runs('kept.txt'));
    const turnId = await submitted(server, 'codex', ASKING);
    const asked = await pending(server, turnId);
    await killAndStart();

    expect(await pending(server, turnId)).toMatchObject({ approval_id: asked.approval_id });
    await sleep(1500);
    expect(await approvalsOf(server, turnId)).toHaveLength(1);
    await decide(server, asked, { approve: true });
    const ended = await waited(server, turnId);
    expect(ended).toMatchObject({ state: 'completed', result: { content: '1 outputs' } });
    expect(ended.result.changed_files).toEqual([{ file: 'kept.txt', action: 'create' }]);
    expect(await approvalsOf(server, turnId)).toMatchObject([{ state: 'approved' }]);
  });

  test('what was decided on just before a server died is not asked again', async () => {
    world.model.setScript(runs('decided.txt'));
    const turnId = await submitted(server, 'codex', ASKING);
    const asked = await pending(server, turnId);
    // Whether or not Codex hears of it before the end.
    await decide(server, asked, { approve: true });
    await killAndStart();

    const ended = await waited(server, turnId);
    expect(ended).toMatchObject({ state: 'completed', result: { content: '1 outputs' } });
    expect(ended.result.changed_files).toEqual([{ file: 'decided.txt', action: 'create' }]);
    expect(await approvalsOf(server, turnId)).toMatchObject([{ state: 'approved' }]);
  });

  test('what expired while no server ran is declined by the next', async () => {
    world.model.setScript(runs('expired.txt'));
    await killAndStart({ APPROVAL_TIMEOUT: '2' });
    const turnId = await submitted(server, 'codex', ASKING);
    await pending(server, turnId);
    await kill(server, 'SIGKILL');
    await sleep(2000);
    server = await world.start();
    expect(await waited(server, turnId)).toMatchObject({
      state: 'completed',
      result: { changed_files: [] },
    });
    expect(await approvalsOf(server, turnId)).toMatchObject([{ state: 'expired' }]);
  });

  test('a call that waited to be approved goes on waiting, and runs when it is', async () => {
    world.model.setScript(runs('called.txt'));
    await killAndStart({ CODEX_APPROVAL_MODE: 'manual' });
    const before = world.model.requests.length;
    const turnId = await submitted(server, 'codex', { prompt: 'x', agent_id: 'a' });
    const asked = await pending(server, turnId);
    await killAndStart({ CODEX_APPROVAL_MODE: 'manual' });

    expect(await pending(server, turnId)).toEqual(asked);
    await sleep(500);
    expect(world.model.requests).toHaveLength(before);
    await decide(server, asked, { approve: true });
    expect(await waited(server, turnId)).toMatchObject({ state: 'completed' });
    expect(await approvalsOf(server, turnId)).toHaveLength(1);
  });
});

async function approvalsOf({ url }: Main, turnId: string): Promise<Approval[]> {
  const response = await fetch(`${url}/api/v1/approvals`);
  const { approvals } = (await response.json()) as { approvals: Approval[] };
  return approvals.filter(({ turn_id }) => turn_id === turnId);
}

/** The one approval of a turn that waits. */
async function pending(server: Main, turnId: string): Promise<Approval> {
  const waiting = async () =>
    (await approvalsOf(server, turnId)).filter(({ state }) => state === 'pending');
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
