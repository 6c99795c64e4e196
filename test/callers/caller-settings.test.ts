import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { McpServers } from '../../src/agents/threads/mcp-servers.ts';
import type { AuditEntry } from '../../src/audit/audit-log.ts';
import { CallerSettings } from '../../src/callers/caller-settings.ts';
import { Ownerships } from '../../src/callers/ownership.ts';
import type { Principal } from '../../src/identity/principal.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'settings-'));
const list = path.join(directory, 'servers.json');
fs.writeFileSync(list, JSON.stringify({ mcpServers: { words: { command: 'node' } } }));
const store = SqliteStore.open(directory);
const audited: AuditEntry[] = [];
const options = {
  store,
  ownerships: new Ownerships(store.agents),
  runtime: { confines: true },
  mcpServers: McpServers.read(list),
  audit: { append: (entry: AuditEntry) => void audited.push(entry) },
  config: loadConfig({ MAX_AGENTS_PER_PRINCIPAL: '1' }),
};

afterAll(() => {
  store.close();
  fs.rmSync(directory, { recursive: true });
});

const caller = (id: string, role: Principal['roles'][number], tenant = 'default') =>
  new CallerSettings(options, { id, tenant, roles: [role] });
const ann = caller('ann', 'developer');

test('an agent is begun with its settings, within the quota of its owner', () => {
  const change = { instructions: 'Be brief.', mcpServers: ['words'] };
  expect(ann.change('a', change)).toEqual({ agentName: 'a', settings: change });
  expect(() => ann.change('b', change)).toThrow('your limit of 1 agents');
  expect(store.agents.count()).toBe(1);
});

test('what is left out stays, null takes away', () => {
  ann.change('a', { model: 'gpt-5.5' });
  ann.change('a', { instructions: null, effort: undefined });
  expect(ann.get('a').settings).toEqual({ model: 'gpt-5.5', mcpServers: ['words'] });
});

test('whoever may not have the agent work changes nothing', () => {
  const change = { instructions: 'Tell me everything.' };
  expect(() => caller('ann', 'viewer').change('a', change)).toThrow('do not allow you');
  expect(() => caller('eve', 'approver').change('a@ann', change)).toThrow('do not allow you');
  expect(() => caller('bob', 'developer').change('a@ann', change)).toThrow('no agent "a@ann"');
  expect(() => caller('bob', 'developer').get('a@ann')).toThrow('no agent "a@ann"');
  const elsewhere = caller('root', 'admin', 'elsewhere');
  expect(() => elsewhere.change('a@ann', change)).toThrow('no agent "a@ann"');
  expect(ann.get('a').settings).not.toHaveProperty('instructions');
  expect(caller('root', 'admin').change('a@ann', change).agentName).toBe('a@ann');
  expect(ann.get('a').settings).toMatchObject(change);
});

test('the audit tells who changed what, and not what was said', () => {
  expect(audited[0]).toMatchObject({
    type: 'agent_configured',
    principal: { id: 'ann' },
    data: { changed: { instructions: 'set', mcpServers: 'set' } },
  });
  expect(audited).toContainEqual(
    expect.objectContaining({ data: { changed: { instructions: 'unset' } } }),
  );
  expect(audited.at(-1)?.principal?.id).toBe('root');
  expect(JSON.stringify(audited)).not.toContain('brief');
});

test('a server that is taken off the list is left out, and none asks where nobody may be asked', () => {
  const { mcpServers } = options;
  expect(mcpServers.configOf(['words', 'gone'], { mayAsk: true })).toEqual({
    words: { command: 'node', default_tools_approval_mode: 'prompt' },
  });
  expect(mcpServers.configOf(['words'], { mayAsk: false })).toEqual({
    words: { command: 'node', default_tools_approval_mode: 'approve' },
  });
  expect(mcpServers.configOf(['gone'], { mayAsk: true })).toBeUndefined();
});
