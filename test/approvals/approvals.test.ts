import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import {
  type ApprovalEvent,
  type ApprovalRequest,
  Approvals,
} from '../../src/approvals/approvals.ts';
import { LOCAL, type Principal } from '../../src/identity/principal.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const approver = (id: string): Principal => ({ id, tenant: 'default', roles: ['approver'] });
const [EVE, KIM] = [approver('eve'), approver('kim')];
const ANN: Principal = { id: 'ann', tenant: 'default', roles: ['developer'] };

const REQUEST: ApprovalRequest = {
  agentId: 'a',
  turnId: 't',
  requestKey: 'turn',
  kind: 'turn',
  operation: 'codex: x',
  arguments: {},
  risk: 'high',
  requestedBy: 'ann',
  tenant: 'default',
  neededApprovers: 1,
};
const CRITICAL: ApprovalRequest = { ...REQUEST, risk: 'critical', neededApprovers: 2 };

describe('who decides', () => {
  test('one approver is enough for one', () => {
    const { approvals } = open();
    const { approvalId } = ask(approvals);
    const ended = approvals.decide(approvalId, EVE, { approve: true, reason: 'fine' });
    expect(ended).toMatchObject({
      state: 'approved',
      decisions: [{ by: 'eve', approve: true, reason: 'fine', at: expect.any(Date) }],
    });
  });

  test('two need two people, and the same one twice is one', () => {
    const { approvals, events } = open();
    const { approvalId } = ask(approvals, CRITICAL);
    expect(approvals.decide(approvalId, EVE, { approve: true }).state).toBe('pending');
    const again = approvals.decide(approvalId, EVE, { approve: true });
    expect([again.state, again.decisions.length]).toEqual(['pending', 1]);
    expect(approvals.decide(approvalId, KIM, { approve: true }).state).toBe('approved');
    expect(events.map(({ type, approval }) => [type, approval.state])).toEqual([
      ['approval_requested', 'pending'],
      ['approval_decided', 'pending'],
      ['approval_decided', 'approved'],
    ]);
  });

  test('one no ends it, also of somebody who had said yes', () => {
    const { approvals } = open();
    const { approvalId } = ask(approvals, CRITICAL);
    approvals.decide(approvalId, EVE, { approve: true });
    expect(approvals.decide(approvalId, EVE, { approve: false }).state).toBe('declined');
    expect(() => approvals.decide(approvalId, KIM, { approve: true })).toThrow(
      expect.objectContaining({ code: 'approval_not_pending', data: { state: 'declined' } }),
    );
  });

  test('nobody decides without the role, or on what they asked for themselves', () => {
    const { approvals } = open();
    const forbidden = expect.objectContaining({ code: 'forbidden' });
    const { approvalId } = ask(approvals);
    expect(() => approvals.decide(approvalId, ANN, { approve: true })).toThrow(forbidden);
    const own = ask(approvals, { ...REQUEST, requestKey: '2', requestedBy: 'eve' });
    const decide = () => approvals.decide(own.approvalId, EVE, { approve: true });
    expect(decide).toThrow(/your own request/);
    const admin = { ...EVE, roles: ['admin'] } as const;
    expect(() => approvals.decide(own.approvalId, admin, { approve: true })).toThrow(
      /your own request/,
    );
    expect(approvals.get(own.approvalId)).toMatchObject({ state: 'pending', decisions: [] });
  });

  test('the one user of an open server approves its own, but not what needs two', () => {
    const { approvals } = open({ isOpen: true });
    const own = ask(approvals, { ...REQUEST, requestedBy: LOCAL.id });
    expect(approvals.decide(own.approvalId, LOCAL, { approve: true }).state).toBe('approved');
    const critical = ask(approvals, { ...CRITICAL, requestKey: '2', requestedBy: LOCAL.id });
    const decide = () => approvals.decide(critical.approvalId, LOCAL, { approve: true });
    expect(decide).toThrow(/two approvers/);
  });

  test('on a server that asks for tokens, a token named like that user has no such right', () => {
    const { approvals } = open({ isOpen: false });
    const own = ask(approvals, { ...REQUEST, requestedBy: LOCAL.id });
    expect(() => approvals.decide(own.approvalId, LOCAL, { approve: true })).toThrow(
      /your own request/,
    );
  });

  test('a question to a person is answered by whoever has Codex work', () => {
    const { approvals } = open();
    const { approvalId } = ask(approvals, { ...REQUEST, kind: 'user_input' });
    const answers = { colour: 'green' };
    expect(approvals.decide(approvalId, ANN, { approve: true, answers })).toMatchObject({
      state: 'approved',
      answers,
    });
  });
});

describe('how it ends by itself', () => {
  test('what nobody decides on expires', async () => {
    const { approvals } = open({ seconds: 1 });
    const { approvalId } = ask(approvals);
    expect(await approvals.outcome(approvalId)).toMatchObject({ state: 'expired' });
    expect(() => approvals.decide(approvalId, EVE, { approve: true })).toThrow(/expired already/);
  });

  test('with its turn, and who waits hears of it', async () => {
    const { approvals } = open();
    const { approvalId } = ask(approvals);
    const outcome = approvals.outcome(approvalId);
    approvals.supersede('t');
    expect(await outcome).toMatchObject({ state: 'superseded' });
    expect(await approvals.outcome(approvalId)).toMatchObject({ state: 'superseded' });
  });
});

test('what is asked again is the same, whether it is pending or decided', async () => {
  const { approvals, events } = open();
  const first = ask(approvals);
  expect(ask(approvals).approvalId).toBe(first.approvalId);
  approvals.decide(first.approvalId, EVE, { approve: true });
  expect(ask(approvals)).toMatchObject({ approvalId: first.approvalId, state: 'approved' });
  expect(events).toHaveLength(2);
});

test('a later server goes on with what is pending, and its time goes on too', async () => {
  const { approvals, store } = open({ seconds: 2 });
  const [kept, late] = [ask(approvals), ask(approvals, { ...REQUEST, requestKey: '2' })];
  approvals.close();
  await sleep(1000);
  const { approvals: next } = serve(store, { seconds: 2 });
  next.decide(kept.approvalId, EVE, { approve: true });
  expect(ask(next)).toMatchObject({ approvalId: kept.approvalId, state: 'approved' });
  const { expiresAt } = late;
  expect(await next.outcome(late.approvalId)).toMatchObject({ state: 'expired', expiresAt });
});

test('a turn asks for no more than people can be bothered with', () => {
  const { approvals } = open();
  const each = (index: number) =>
    approvals.request({ ...REQUEST, kind: 'command', requestKey: `${index}` });
  const asked = Array.from({ length: 20 }, (_, index) => each(index));
  expect(asked.filter((one) => one !== undefined)).toHaveLength(16);
  let total = 16;
  for (let index = 100; index < 400; index += 1) {
    const [pending] = approvals.pendingOf('t');
    if (pending) approvals.decide(pending.approvalId, EVE, { approve: false });
    if (each(index)) total += 1;
  }
  expect(total).toBe(200);
});

test('what people are shown has a bound', () => {
  const { approvals } = open();
  const long = 'x'.repeat(100_000);
  const { operation, arguments: shown } = ask(approvals, {
    ...REQUEST,
    operation: long,
    arguments: { prompt: long, list: Array.from({ length: 500 }, () => long), deep: { a: [long] } },
  });
  expect(operation).toHaveLength(500);
  expect(JSON.stringify(shown).length).toBeLessThan(20_000);
  expect(String(shown.prompt)).toMatch(/^x{4096}…$/);
});

type Options = { isOpen?: boolean; seconds?: number };

function open(options: Options = {}) {
  const store = SqliteStore.open(temporaryDirectory());
  onTestFinished(() => store.close());
  store.agents.put(newAgent('a'));
  const request = { agentId: 'a', tool: 'codex', args: {} };
  store.turns.put({
    ...{ turnId: 't', agentId: 'a', tool: 'codex', state: 'queued', request },
    createdAt: new Date(),
  });
  return { store, ...serve(store, options) };
}

function serve(store: SqliteStore, { isOpen = false, seconds = 300 }: Options) {
  const approvals = new Approvals({
    store: store.approvals,
    authenticator: { isOpen },
    config: { APPROVAL_TIMEOUT: seconds },
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => approvals.close());
  const events: ApprovalEvent[] = [];
  approvals.listen((event) => events.push(event));
  return { approvals, events };
}

function ask(approvals: Approvals, request: ApprovalRequest = REQUEST) {
  const approval = approvals.request(request);
  if (approval) return approval;
  throw new Error('declined at once');
}
