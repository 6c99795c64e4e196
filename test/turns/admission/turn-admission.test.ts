import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { admit } from '../../../src/turns/admission/turn-admission.ts';

let store: SqliteStore;
beforeEach(() => {
  store = SqliteStore.open(fs.mkdtempSync(path.join(os.tmpdir(), 'admission-')));
});
afterEach(() => store.close());

const NOBODY = { busy: false, waiting: 0, waitingInAll: 0 };

function admitting(settings: Record<string, string>, queues = NOBODY, text = 'x', ownTurns = 0) {
  const config: Config = loadConfig(settings);
  const request = { agentId: 'new', tool: 'plan', args: { task: text } };
  const agent = newAgent('new');
  const budgets = { refusal: () => undefined };
  const options = { store, config, budgets, credentials: {} };
  return () => admit(options, { request, agent, queues, ownTurns });
}

test('as many calls may wait as the settings say, for one agent and for all', () => {
  const busy = (waiting: number, waitingInAll: number) => ({ busy: true, waiting, waitingInAll });
  expect(admitting({}, busy(15, 255))).not.toThrow();
  expect(admitting({}, busy(16, 16))).toThrow(
    expect.objectContaining({ code: 'queue_full', data: { limit: 16 } }),
  );
  expect(admitting({}, busy(0, 256))).toThrow(
    expect.objectContaining({ code: 'server_queue_full', data: { limit: 256 } }),
  );
  const wide = { MAX_QUEUED_TURNS: '17', MAX_QUEUED_TURNS_TOTAL: '257' };
  expect(admitting(wide, busy(16, 256))).not.toThrow();
});

test('a call that need not wait is taken, however many do', () => {
  expect(admitting({}, { busy: false, waiting: 0, waitingInAll: 256 })).not.toThrow();
});

test('an input is measured in bytes, with its names and quotes', () => {
  const quoted = '{"task":""}'.length;
  const limit = { MAX_PROMPT_BYTES: '100' };
  expect(admitting(limit, NOBODY, 'x'.repeat(100 - quoted))).not.toThrow();
  expect(admitting(limit, NOBODY, 'é'.repeat(100 - quoted))).toThrow(
    expect.objectContaining({ code: 'prompt_too_large', data: { bytes: 189, limit: 100 } }),
  );
});

test('a new agent is refused when there are as many as may be, and an old one is not', () => {
  const limit = { MAX_AGENTS: '2' };
  store.agents.put(newAgent('a'));
  expect(admitting(limit)).not.toThrow();
  store.agents.put(newAgent('b'));
  expect(admitting(limit)).toThrow(
    expect.objectContaining({ code: 'too_many_agents', data: { limit: 2 } }),
  );
  store.agents.put(newAgent('new'));
  expect(admitting(limit)).not.toThrow();
});

test('each caller has so many agents and so many turns at a time, and others have their own', () => {
  const limit = { MAX_AGENTS_PER_PRINCIPAL: '1', MAX_TURNS_PER_PRINCIPAL: '2' };
  store.agents.put(newAgent('a', { name: 'a', owner: 'ann', tenant: 'default' }));
  expect(admitting(limit)).not.toThrow();
  expect(admitting(limit, NOBODY, 'x', 1)).not.toThrow();
  const full = expect.objectContaining({ code: 'quota_exceeded', data: { limit: 2 } });
  expect(admitting(limit, NOBODY, 'x', 2)).toThrow(full);
  store.agents.put(newAgent('b'));
  const many = expect.objectContaining({ code: 'quota_exceeded', data: { limit: 1 } });
  expect(admitting(limit)).toThrow(many);
});
