import { describe, expect, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import type { ThreadRecord } from '../../src/agents/threads/thread.ts';
import type { ApprovalRecord } from '../../src/approvals/approval.ts';
import type { ApprovalQuery } from '../../src/approvals/approval-store.ts';
import type { EgressRecord, EgressRuleRecord } from '../../src/gateway/egress/egress-record.ts';
import { NO_USAGE } from '../../src/gateway/spending/token-usage.ts';
import type { Store } from '../../src/store/store.ts';
import type { TurnRecord } from '../../src/turns/turn.ts';

/** What every store must do; `reopen` opens what an earlier one wrote. */
export function storeContract(
  name: string,
  open: () => { store: Store; reopen: () => Store },
): void {
  describe(`${name} keeps its promises as a store`, () => {
    test('an agent is found again as it was written', () => {
      const { store } = open();
      const agent = { ...newAgent('alpha'), threadId: 't-1', tokenSha256: 'ab' };
      store.agents.put(agent);
      expect(store.agents.get('alpha')).toEqual(agent);
      expect(store.agents.get('beta')).toBeUndefined();
    });

    test('agents are listed with the last used first', () => {
      const { store } = open();
      for (const [id, at] of [
        ['a', 1],
        ['b', 3],
        ['c', 2],
      ] as const) {
        store.agents.put({ ...newAgent(id), lastUsedAt: new Date(at) });
      }
      store.agents.touch('a', new Date(4));
      expect(store.agents.list().map((agent) => agent.agentId)).toEqual(['a', 'b', 'c']);
      expect(store.agents.count()).toBe(3);
    });

    test('writing an agent again keeps when it was made, and its turns', () => {
      const { store } = open();
      store.agents.put({ ...newAgent('a'), createdAt: new Date(1) });
      store.turns.put(turn('t', 'a'));
      store.agents.put({ ...newAgent('a'), createdAt: new Date(2), tokenSha256: 'cd' });
      expect(store.agents.get('a')).toMatchObject({ createdAt: new Date(1), tokenSha256: 'cd' });
      expect(store.turns.count('a')).toBe(1);
    });

    test('agents are pinned, archived and removed with their turns', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      store.agents.setPinned('a', true);
      store.agents.setArchived('a', true);
      expect(store.agents.get('a')).toMatchObject({ pinned: true, archived: true });
      store.turns.put(turn('t', 'a'));
      store.agents.remove('a');
      store.agents.remove('a');
      expect(store.agents.get('a')).toBeUndefined();
      expect(store.turns.count('a')).toBe(0);
    });

    test('an approval is found as it was written, by its turn and by who may see it', () => {
      const { store, reopen } = open();
      for (const id of ['a', 'b']) {
        store.agents.put(newAgent(id));
        store.turns.put(turn(`turn-${id}`, id));
      }
      const first = approval('1', 'a');
      store.approvals.put(first);
      store.approvals.put({ ...approval('2', 'b'), tenant: 'elsewhere', requestedBy: 'bob' });
      const decisions = [{ by: 'eve', approve: true, reason: 'fine', at: new Date(5) }];
      const decided = { ...approval('3', 'a'), state: 'approved', decisions } as const;
      store.approvals.put({ ...decided, state: 'pending', decisions: [] });
      store.approvals.put(decided);
      const ids = (query: Omit<ApprovalQuery, 'limit'>, limit = 10) =>
        store.approvals.list({ ...query, limit }).map(({ approvalId }) => approvalId);
      expect([ids({}), ids({}, 1)]).toEqual([['3', '2', '1'], ['3']]);
      expect(ids({ tenant: 'default', state: 'pending' })).toEqual(['1']);
      expect(ids({ requestedBy: 'bob' })).toEqual(['2']);
      expect(ids({ agentIds: ['a'] })).toEqual(['3', '1']);
      store.close();
      const later = reopen();
      expect(later.approvals.get('3')).toEqual(decided);
      expect(later.approvals.find('turn-a', 'key-1')).toEqual(first);
      expect(later.approvals.find('turn-b', 'key-1')).toBeUndefined();
      expect(later.approvals.pending().map(({ approvalId }) => approvalId)).toEqual(['1', '2']);
      expect(later.approvals.count('turn-a')).toBe(2);
      later.agents.remove('a');
      expect(later.approvals.get('1')).toBeUndefined();
    });

    test('a slot that is ready is claimed once, the oldest first', () => {
      const { store } = open();
      for (const id of ['half', 'one', 'two']) store.warmContainers.add({ id, tokenSha256: id });
      for (const id of ['one', 'two']) store.warmContainers.setReady(id, true);
      const claimed = ['a', 'b', 'c'].map((agentId) => store.warmContainers.claim(agentId)?.id);
      expect(claimed).toEqual(['one', 'two', undefined]);
      expect(store.warmContainers.of('b')).toEqual({
        id: 'two',
        tokenSha256: 'two',
        ready: true,
        agentId: 'b',
      });
      store.warmContainers.remove('two');
      expect(store.warmContainers.of('b')).toBeUndefined();
      expect(store.warmContainers.list().map(({ id }) => id)).toEqual(['half', 'one']);
    });

    test('all of it outlives the store, the installation included', () => {
      const { store, reopen } = open();
      store.agents.put(newAgent('a'));
      store.agents.setThread('a', 'thread-9');
      const { installationId } = store;
      store.close();
      const again = reopen();
      expect(again.installationId).toBe(installationId);
      expect(again.agents.get('a')?.threadId).toBe('thread-9');
      again.close();
    });

    test('turns are listed with the last written first, up to a limit, whatever the clock said', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      for (const id of ['1', '2', '3'])
        store.turns.put({ ...turn(id, 'a'), createdAt: new Date(9 - Number(id)) });
      expect(store.turns.list({ agentIds: ['a'], limit: 2 }).map((one) => one.turnId)).toEqual([
        '3',
        '2',
      ]);
      expect(store.turns.count('a')).toBe(3);
    });

    test('turns are listed from one on, those of the same moment included', () => {
      const { store } = open();
      for (const id of ['a', 'b']) store.agents.put(newAgent(id));
      for (const [id, agentId, at] of [
        ['1', 'a', 1],
        ['2', 'a', 2],
        ['3', 'b', 2],
        ['4', 'a', 2],
        ['5', 'a', 3],
      ] as const) {
        store.turns.put({ ...turn(id, agentId), createdAt: new Date(at) });
      }
      const ids = (options: { agentIds?: string[]; before: string }) =>
        store.turns.list({ ...options, limit: 9 }).map((one) => one.turnId);
      expect(ids({ before: '4' })).toEqual(['3', '2', '1']);
      expect(ids({ before: '4', agentIds: ['a'] })).toEqual(['2', '1']);
      expect(ids({ before: '1' })).toEqual([]);
      expect(ids({ before: 'unknown' })).toEqual([]);
    });

    test('agents and their turns are told apart by owner and tenant', () => {
      const { store } = open();
      const of = (owner: string, tenant: string) => ({ name: 'work', owner, tenant });
      store.agents.put(newAgent('a', of('ann', 'one')));
      store.agents.put(newAgent('b', of('bob', 'one')));
      store.agents.put(newAgent('c', of('cid', 'two')));
      for (const id of ['a', 'b', 'c']) store.turns.put(turn(`t-${id}`, id));
      const ids = (query: { owner?: string; tenant?: string; agentIds?: string[] }) =>
        store.turns.list({ ...query, limit: 9 }).map((one) => one.turnId);
      expect(ids({ owner: 'ann' })).toEqual(['t-a']);
      expect(ids({ tenant: 'one' })).toEqual(['t-b', 't-a']);
      expect(ids({ owner: 'ann', agentIds: ['b', 'c'] })).toEqual([]);
      expect(store.agents.count('bob')).toBe(1);
      expect(store.agents.get('c')).toMatchObject(of('cid', 'two'));
    });

    test('turns that have not ended are found in the order they came, whatever the clock said', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      store.turns.put({ ...turn('2', 'a'), state: 'running', createdAt: new Date(2) });
      store.turns.put({ ...turn('1', 'a'), createdAt: new Date(1) });
      store.turns.put({ ...turn('0', 'a'), state: 'completed', endedAt: new Date(5) });
      expect(store.turns.unfinished().map((one) => one.turnId)).toEqual(['2', '1']);
    });

    test('conversations are found by their ids and go with their agents', () => {
      const { store } = open();
      store.agents.put({ ...newAgent('a'), threadId: 'own' });
      store.agents.put(newAgent('b'));
      const thread = (threadId: string, agentId: string, at: number): ThreadRecord => ({
        threadId,
        agentId,
        settings: { sandbox: 'read-only', approvalPolicy: 'never', config: { x: 1 } },
        createdAt: new Date(at),
        lastUsedAt: new Date(at),
      });
      for (const one of [thread('1', 'a', 1), thread('2', 'a', 2), thread('3', 'b', 3)]) {
        store.threads.put(one);
      }
      expect(store.threads.get('1')).toEqual(thread('1', 'a', 1));
      store.threads.touch('1', new Date(9));
      const ids = (agentId?: string) =>
        store.threads.list({ ...(agentId && { agentId }), limit: 9 }).map((one) => one.threadId);
      expect([ids(), ids('a')]).toEqual([
        ['1', '3', '2'],
        ['1', '2'],
      ]);
      expect(store.agents.findByThread('own')?.agentId).toBe('a');
      store.agents.remove('a');
      expect([ids(), store.threads.get('1'), store.agents.findByThread('own')]).toEqual([
        ['3'],
        undefined,
        undefined,
      ]);
    });

    test('of each agent the 1000 conversations that were used last are known', () => {
      const { store } = open();
      for (const id of ['a', 'b']) store.agents.put(newAgent(id));
      const settings = { sandbox: 'read-only', approvalPolicy: 'never' } as const;
      const begin = (threadId: string, agentId: string, at: number) => {
        const times = { createdAt: new Date(at), lastUsedAt: new Date(at) };
        store.threads.put({ threadId, agentId, settings, ...times });
      };
      begin('other', 'b', 0);
      store.transaction(() => {
        for (let at = 0; at < 1000; at += 1) begin(`${at}`, 'a', at);
      });
      store.threads.touch('0', new Date(2000));
      begin('new', 'a', 2001);
      expect(store.threads.get('1')).toBeUndefined();
      for (const known of ['0', '2', 'new', 'other']) {
        expect(store.threads.get(known), known).toBeDefined();
      }
    });

    test('rules and connections go with their agent, and the last connections are kept', () => {
      const { store } = open();
      for (const id of ['a', 'b']) store.agents.put(newAgent(id));
      const rule = (agentId: string, text: string): EgressRuleRecord => ({
        ...{ agentId, rule: text, effect: 'allow', decidedBy: 'x', createdAt: new Date(1) },
      });
      const ending: EgressRuleRecord = { ...rule('a', 'one'), expiresAt: new Date(9) };
      const denying: EgressRuleRecord = { ...rule('a', 'two'), effect: 'deny' };
      for (const one of [ending, rule('a', 'two'), rule('b', 'one'), denying]) {
        store.egress.putRule(one);
      }
      expect(store.egress.rules('a')).toEqual([ending, denying]);
      store.egress.removeExpiredRules('a', new Date(9));
      expect(store.egress.rules('a')).toEqual([denying]);
      expect([1, 2].map(() => store.egress.removeRule('a', 'two'))).toEqual([true, false]);

      const record = (agentId: string, host: string): EgressRecord => ({
        ...{ agentId, host, port: 443, method: 'CONNECT', startedAt: new Date(3), durationMs: 4 },
        ...{ address: '1.2.3.4', bytesUp: 5, bytesDown: 6, verdict: 'allowed' },
      });
      const refused: EgressRecord = { ...record('b', '4'), verdict: 'denied', reason: 'too_many' };
      const hosts = (agentId: string) => store.egress.records(agentId, 9).map(({ host }) => host);
      store.egress.append([record('a', '1'), record('b', '2'), record('gone', '3'), refused], 2);
      store.egress.append([record('a', '5'), record('a', '6')], 2);
      expect(store.egress.records('b', 1)).toEqual([refused]);
      expect(store.egress.records('b', 9)[1]).toEqual(record('b', '2'));
      expect([hosts('a'), hosts('gone')]).toEqual([['6', '5'], []]);
      store.egress.append([record('a', '7')], 0);
      expect(hosts('a')).toEqual([]);
      store.agents.remove('b');
      expect([hosts('b'), store.egress.rules('b')]).toEqual([[], []]);
    });

    test('several writes are one, or none', () => {
      const { store } = open();
      const fails = () =>
        store.transaction(() => {
          store.agents.put(newAgent('a'));
          throw new Error('half way');
        });
      expect(fails).toThrow('half way');
      expect(store.agents.get('a')).toBeUndefined();
    });

    test('turns that ended before a time are removed with their events, the oldest first', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      for (const seconds of [1, 2, 3]) {
        const ended = { ...turn(`${seconds}`, 'a'), endedAt: new Date(seconds * 1000) };
        store.turns.put({ ...ended, state: 'completed' });
        const event = { type: 'context_compacted' } as const;
        store.turns.appendEvents(`${seconds}`, [{ seq: 1, at: new Date(0), event }]);
      }
      store.turns.put(turn('waiting', 'a'));
      const old = { endedBefore: new Date(3000), limit: 1 };
      expect(store.turns.removeEnded(old)).toBe(1);
      expect(store.turns.get('1')).toBeUndefined();
      expect(store.turns.events('1', { after: 0, limit: 9 })).toEqual([]);
      expect([store.turns.removeEnded(old), store.turns.removeEnded(old)]).toEqual([1, 0]);
      expect(store.turns.get('3')).toBeDefined();
      expect(store.turns.events('3', { after: 0, limit: 9 })).toHaveLength(1);
      expect(store.turns.get('waiting')).toBeDefined();
    });

    test('a turn is found again whole, after each change', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      const first = turn('1', 'a');
      store.turns.put(first);
      expect(store.turns.get('1')).toEqual(first);
      const sent = {
        clientMessageId: '1',
        threadId: 't',
        before: { files: 'f', meta: 'm', ticks: '9' },
      };
      const usage = { ...NO_USAGE, model_requests: 2 };
      const last: TurnRecord = {
        ...first,
        state: 'completed',
        sent,
        result: { changes: ['é'] },
        usage,
        endedAt: new Date(7),
      };
      store.turns.put(last);
      expect(store.turns.get('1')).toEqual(last);
      expect(store.turns.get('2')).toBeUndefined();
    });

    test('a turn is found by its key, which an agent can use once', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      store.agents.put(newAgent('b'));
      const keyed = (turnId: string, agentId: string) => {
        const made = turn(turnId, agentId);
        return { ...made, request: { ...made.request, idempotencyKey: 'k' } };
      };
      store.turns.put(keyed('1', 'a'));
      store.turns.put(keyed('2', 'b'));
      expect(store.turns.findByKey('b', 'k')?.turnId).toBe('2');
      expect(store.turns.findByKey('b', 'other')).toBeUndefined();
      expect(() => store.turns.put(keyed('3', 'a'))).toThrow();
    });

    test('events come back in order, after a number, and stay when their turn changes', () => {
      const { store } = open();
      store.agents.put(newAgent('a'));
      store.turns.put(turn('1', 'a'));
      const events = [1, 2, 3].map((seq) => ({
        seq,
        at: new Date(seq),
        event: { type: 'thinking', text: `thought ${seq}` } as const,
      }));
      store.turns.appendEvents('1', events.slice(0, 2));
      store.turns.appendEvents('1', events.slice(2));
      store.turns.put({ ...turn('1', 'a'), state: 'running' });
      expect(store.turns.events('1', { after: 1, limit: 9 })).toEqual(events.slice(1));
      expect(() => store.turns.appendEvents('1', events.slice(2))).toThrow();
      expect(store.turns.events('1', { after: 0, limit: 9 })).toHaveLength(3);
    });
  });
}

function turn(turnId: string, agentId: string): TurnRecord {
  const request = { agentId, tool: 'plan', args: { task: 'x' } };
  return { turnId, agentId, tool: 'plan', state: 'queued', request, createdAt: new Date(0) };
}

function approval(approvalId: string, agentId: string): ApprovalRecord {
  return {
    ...{ approvalId, agentId, turnId: `turn-${agentId}`, requestKey: `key-${approvalId}` },
    ...{ kind: 'command', operation: 'run: ls', arguments: { command: 'ls' }, risk: 'medium' },
    ...{ requestedBy: 'ann', tenant: 'default', justification: 'Ticket 7', neededApprovers: 1 },
    ...{ decisions: [], state: 'pending', createdAt: new Date(1), expiresAt: new Date(2) },
  };
}
