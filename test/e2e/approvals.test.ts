import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { recordsIn } from '../audit/audit-rig.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { patch, shell, text } from '../fakes/stand-in-model/step.ts';
import { readEvents } from '../transports/rest/event-reader.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';

/** Runs a command once for each prompt, and then says what came of it. */
const runs =
  (command: string): Script =>
  ({ toolOutputs }) =>
    toolOutputs.length === 0 ? shell(command) : text(toolOutputs.join() || 'Nothing.');

const NEW_FILE = `*** Begin Patch
*** Add File: new.txt
+a new line
*** End Patch
`;

const ASKING = { prompt: 'x', 'approval-policy': 'untrusted' };

describe('on a server with callers of their own', () => {
  let server: TestServer;
  const tokens: Record<string, string> = {};
  const as = (who: string) => connect(server, 'http', '', tokens[who]);

  beforeAll(async () => {
    server = await startTestServer({
      runtime: 'process',
      script: runs('true'),
      environment: { JWT_SECRET: SECRET, CODEX_APPROVAL_MODE: 'manual' },
    });
    tokens.ann = await sign({ sub: 'ann', role: 'developer' });
    tokens.bob = await sign({ sub: 'bob', role: 'developer' });
    tokens.eve = await sign({ sub: 'eve', role: 'approver' });
    tokens.kim = await sign({ sub: 'kim', role: 'approver' });
    tokens.far = await sign({ sub: 'far', role: 'approver', tenant: 'elsewhere' });
    tokens.root = await sign({ sub: 'root', role: 'admin' });
  });
  beforeEach(() => server.model.setScript(runs('true')));
  afterAll(() => server[Symbol.asyncDispose]());

  test('a call waits until an approver agrees, and then runs', async () => {
    await using ann = await as('ann');
    await using eve = await as('eve');
    const { turn_id, state } = await call(ann, 'codex', {
      prompt: 'Do it.',
      agent_id: 'a',
      wait: false,
      justification: 'Ticket 7',
    });
    expect(state).toBe('waiting_approval');
    const asked = await pendingOf(eve, turn_id);
    expect(asked).toMatchObject({
      ...{ kind: 'turn', risk: 'medium', needed_approvers: 1, requested_by: 'ann' },
      ...{ agent_id: 'a@ann', justification: 'Ticket 7', operation: 'codex: Do it.' },
      arguments: { sandbox: 'workspace-write', mode: 'interactive', full_auto: false },
    });
    await call(eve, 'decide_approval', { approval_id: asked.approval_id, approve: true });
    const ended = await call(ann, 'wait_turn', { turn_id });
    expect(ended).toMatchObject({ state: 'completed', result: { agent_id: 'a' } });
    expect((await events(turn_id)).map(({ event }) => event)).toEqual(
      expect.arrayContaining(['approval_requested', 'approval_decided', 'turn_started']),
    );
  });

  test('a call that is declined fails with who declined it and why', async () => {
    await using ann = await as('ann');
    await using eve = await as('eve');
    const running = call(ann, 'implement', { task: 'x', agent_id: 'a' });
    running.catch(() => undefined);
    const asked = await pendingOf(eve);
    const decision = { approval_id: asked.approval_id, approve: false, reason: 'not today' };
    await call(eve, 'decide_approval', decision);
    await expect(running).rejects.toThrow(/approval_declined: eve declined the call: not today/);
  });

  test('nobody decides on what is their own, another tenant’s, or without the role', async () => {
    await using root = await as('root');
    const { turn_id } = await call(root, 'codex', { prompt: 'x', agent_id: 'r', wait: false });
    const { approval_id } = await pendingOf(root, turn_id);
    const decide = async (who: string) => {
      await using client = await as(who);
      return await call(client, 'decide_approval', { approval_id, approve: true });
    };
    await expect(decide('root')).rejects.toThrow(
      /forbidden: You cannot decide on your own request/,
    );
    await expect(decide('bob')).rejects.toThrow(/approval_not_found/);
    await expect(decide('far')).rejects.toThrow(/approval_not_found/);
    await using ann = await as('ann');
    expect((await call(ann, 'list_approvals')).approvals).not.toContainEqual(
      expect.objectContaining({ approval_id }),
    );
    expect(await call(root, 'cancel_turn', { turn_id })).toMatchObject({
      error: { code: 'cancelled' },
    });
    const by = await fetch(`${server.url}/api/v1/approvals/${approval_id}`, headersOf('eve'));
    expect(await by.json()).toMatchObject({ state: 'superseded', agent_id: 'r@root' });
    await expect(decide('eve')).rejects.toThrow(/approval_not_pending/);
  });

  test('over HTTP too, with a stream that tells what is pending and what becomes of it', async () => {
    await using ann = await as('ann');
    const begin = async () =>
      (await call(ann, 'codex', { prompt: 'x', agent_id: 'a', wait: false })).turn_id;
    const first = await begin();
    const url = `${server.url}/api/v1/approvals`;
    await using eve = await readEvents(`${url}/events`, headersOf('eve').headers);
    await using bob = await readEvents(`${url}/events`, headersOf('bob').headers);
    await expect.poll(() => eve.events).toHaveLength(1);
    await begin();
    await expect.poll(() => eve.events).toHaveLength(2);
    const asked = eve.events.map(({ data }) => String(data.approval_id));
    const listed = await fetch(`${url}?state=pending&agent_id=a@ann`, headersOf('eve'));
    const { approvals } = (await listed.json()) as { approvals: { approval_id: string }[] };
    expect(approvals.map(({ approval_id }) => approval_id)).toEqual([...asked].reverse());
    const answers = await Promise.all([
      post(`${url}/${asked[0]}`, 'eve', { approve: true }),
      post(`${url}/${asked[0]}`, 'kim', { approve: false }),
      post(`${url}/${asked[1]}`, 'kim', { approve: false, reason: 'one is enough' }),
      post(`${url}/${asked[1]}`, 'kim', { aprove: false }),
      post(`${url}/${asked[1]}`, 'ann', { approve: true }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 409, 200, 400, 403]);
    await expect.poll(() => eve.events).toHaveLength(4);
    expect(eve.events.slice(2).map(({ event, data }) => [event, data.state])).toEqual([
      ['approval_decided', 'approved'],
      ['approval_decided', 'declined'],
    ]);
    expect(bob.events).toEqual([]);
    expect(await call(ann, 'wait_turn', { turn_id: first })).toMatchObject({ state: 'completed' });
  });

  test('a command that Codex asks for runs once approved, and only then', async () => {
    server.model.setScript(runs('touch asked.txt'));
    await using ann = await as('ann');
    await using eve = await as('eve');
    const { turn_id } = await approved(ann, eve, { ...ASKING, agent_id: 'a' });
    const asked = await pendingOf(eve, turn_id);
    expect(asked).toMatchObject({
      ...{ kind: 'command', risk: 'medium', operation: 'run: touch asked.txt' },
      arguments: { command: 'touch asked.txt' },
    });
    expect((await call(ann, 'get_turn', { turn_id })).state).toBe('waiting_approval');
    await call(eve, 'decide_approval', { approval_id: asked.approval_id, approve: true });
    const { state, result } = await call(ann, 'wait_turn', { turn_id });
    expect(state).toBe('completed');
    expect(result.changed_files).toEqual([{ file: 'asked.txt', action: 'create' }]);
  });

  test('a patch is shown to who decides, and what is declined Codex is told', async () => {
    server.model.setScript(({ toolOutputs }) =>
      toolOutputs.length === 0 ? patch(NEW_FILE) : text(toolOutputs.join()),
    );
    await using ann = await as('ann');
    await using eve = await as('eve');
    const { turn_id } = await approved(ann, eve, { ...ASKING, agent_id: 'a' });
    const asked = await pendingOf(eve, turn_id);
    expect(asked).toMatchObject({ kind: 'patch', operation: expect.stringContaining('new.txt') });
    expect(JSON.stringify(asked.arguments)).toContain('a new line');
    await call(eve, 'decide_approval', { approval_id: asked.approval_id, approve: false });
    const { result } = await call(ann, 'wait_turn', { turn_id });
    expect(result).toMatchObject({ changed_files: [], content: expect.stringMatching(/reject/i) });
  });

  test('an approval is for one turn: a reply asks again, for itself and for its commands', async () => {
    await using ann = await as('ann');
    await using eve = await as('eve');
    const first = await approved(ann, eve, { ...ASKING, agent_id: 'a' });
    const command = await pendingOf(eve, first.turn_id);
    await call(eve, 'decide_approval', { approval_id: command.approval_id, approve: true });
    const { result } = await call(ann, 'wait_turn', { turn_id: first.turn_id });
    const reply = { prompt: 'Again', threadId: result.threadId, wait: false };
    const { turn_id, state } = await call(ann, 'codex-reply', reply);
    expect(state).toBe('waiting_approval');
    const again = await pendingOf(eve, turn_id);
    await call(eve, 'decide_approval', { approval_id: again.approval_id, approve: true });
    await expect
      .poll(async () => (await pendingOf(eve, turn_id)).kind, { timeout: 90_000 })
      .toBe('command');
    await call(ann, 'cancel_turn', { turn_id });
    const { approvals } = await call(eve, 'list_approvals', { agent_id: 'a@ann' });
    expect(approvals.slice(0, 4).map((each: { state: string }) => each.state)).toEqual([
      ...['superseded', 'approved', 'approved', 'approved'],
    ]);
  });

  test('a call that waits holds up no other, and its own time goes on', async () => {
    await using ann = await as('ann');
    const waiting = { prompt: 'x', agent_id: 'a', wait: false };
    const { turn_id } = await call(ann, 'codex', { ...waiting, timeout_seconds: 2 });
    await call(ann, 'codex', { prompt: 'x', agent_id: 'a', sandbox: 'read-only' });
    const ended = await call(ann, 'wait_turn', { turn_id });
    expect(ended).toMatchObject({ state: 'expired', error: { code: 'turn_timeout' } });
    await using eve = await as('eve');
    const { approvals } = await call(eve, 'list_approvals', { agent_id: 'a@ann' });
    expect(approvals[0]).toMatchObject({ state: 'superseded', turn_id });
  });

  test('so many calls wait to be approved for one agent', async () => {
    await using ann = await as('ann');
    const another = () => call(ann, 'codex', { prompt: 'x', agent_id: 'a', wait: false });
    const turns = await Promise.all(Array.from({ length: 16 }, another));
    await expect(another()).rejects.toThrow(/queue_full: 16 calls wait to be approved/);
    await call(ann, 'codex', { prompt: 'x', agent_id: 'a', sandbox: 'read-only' });
    for (const { turn_id } of turns) await call(ann, 'cancel_turn', { turn_id });
  });

  function headersOf(who: string) {
    return { headers: { authorization: `Bearer ${tokens[who]}` } };
  }

  function post(url: string, who: string, body: object): Promise<Response> {
    const headers = { ...headersOf(who).headers, 'content-type': 'application/json' };
    return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async function events(turnId: string): Promise<{ event: string }[]> {
    const headers = { authorization: `Bearer ${tokens.ann}`, accept: 'text/event-stream' };
    const response = await fetch(`${server.url}/api/v1/turns/${turnId}/events`, { headers });
    const all = (await response.text()).matchAll(/^event: (.*)$/gm);
    return [...all].map(([, event = '']) => ({ event }));
  }
});

test('under auto nothing of it waits, and what Codex got is on record', async () => {
  await using server = await startTestServer({
    runtime: 'process',
    script: runs('touch asked.txt'),
    environment: { CODEX_APPROVAL_MODE: 'auto' },
  });
  await using client = await connect(server);
  const { changed_files } = await call(client, 'codex', { ...ASKING, mode: 'ci' });
  expect(changed_files).toEqual([{ file: 'asked.txt', action: 'create' }]);
  expect(await call(client, 'list_approvals')).toEqual({ approvals: [] });
  await server.stop();
  const granted = recordsIn(server.dataDir).filter(({ type }) => type === 'approval_granted');
  expect(granted).toMatchObject([
    {
      ...{ principal: 'local', turnId: expect.any(String), correlationId: expect.any(String) },
      data: { kind: 'command', operation: 'run: touch asked.txt', risk: 'medium', policy: 'auto' },
    },
  ]);
});

describe.runIf(engine.available)('in a container', () => {
  test('full access needs one approver, of all kinds two, and a reply needs them again', async () => {
    await using server = await startTestServer({
      runtime: 'docker',
      script: ({ toolOutputs }) => (toolOutputs.length === 0 ? shell('true') : text('Done.')),
      environment: { JWT_SECRET: SECRET },
    });
    const as = async (sub: string, role: string) =>
      connect(server, 'http', '', await sign({ sub, role }));
    await using ann = await as('ann', 'developer');
    await using eve = await as('eve', 'approver');
    await using kim = await as('kim', 'admin');
    const begin = async (tool: string, args: object) =>
      (await call(ann, tool, { prompt: 'x', wait: false, ...args })).turn_id;
    const approve = async (approver: Connection, turn_id: string) => {
      const { approval_id } = await pendingOf(approver, turn_id);
      return await call(approver, 'decide_approval', { approval_id, approve: true });
    };
    const end = (turn_id: string) => call(ann, 'wait_turn', { turn_id });

    const high = await begin('codex', { sandbox: 'full-access' });
    expect(await approve(eve, high)).toMatchObject({ state: 'approved', risk: 'high' });
    const { result } = await end(high);
    const reply = await begin('codex-reply', { threadId: result.threadId });
    expect(await pendingOf(eve, reply)).toMatchObject({ risk: 'high', kind: 'turn' });
    await approve(kim, reply);
    expect(await end(reply)).toMatchObject({ state: 'completed' });

    const everything = { sandbox: 'full-access', full_auto: true, mode: 'ci' };
    const critical = await begin('codex', everything);
    expect(await approve(eve, critical)).toMatchObject({ state: 'pending', risk: 'critical' });
    expect(await approve(eve, critical)).toMatchObject({ state: 'pending', decisions: [{}] });
    expect(await call(ann, 'get_turn', { turn_id: critical })).toMatchObject({
      state: 'waiting_approval',
    });
    expect(await approve(kim, critical)).toMatchObject({ state: 'approved' });
    const { result: done } = await end(critical);
    const again = await begin('codex-reply', { threadId: done.threadId });
    expect(await pendingOf(eve, again)).toMatchObject({ risk: 'critical', needed_approvers: 2 });
    await call(ann, 'cancel_turn', { turn_id: again });

    // What Codex works in by itself is no different from what it was.
    const medium = await call(ann, 'codex', { prompt: 'x' });
    expect(medium.content).toBe('Done.');
  });
});

/** Begins a conversation that an approver lets run. */
async function approved(caller: Connection, approver: Connection, args: object) {
  const turn = await call(caller, 'codex', { ...args, wait: false });
  const { approval_id, kind } = await pendingOf(approver, turn.turn_id);
  expect(kind).toBe('turn');
  await call(approver, 'decide_approval', { approval_id, approve: true });
  await expect
    .poll(async () => (await pendingOf(approver, turn.turn_id)).kind, { timeout: 90_000 })
    .not.toBe('turn');
  return turn;
}

/** The one approval that waits, of a turn if given. */
async function pendingOf(approver: Connection, turnId?: string) {
  const pending = async () => {
    const { approvals } = await call(approver, 'list_approvals', { state: 'pending' });
    return approvals.filter(
      (each: { turn_id: string }) => each.turn_id === (turnId ?? each.turn_id),
    );
  };
  await expect.poll(pending, { timeout: 90_000 }).toHaveLength(1);
  return (await pending())[0];
}

function sign(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}
