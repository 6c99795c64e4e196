import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { type AuditEntry, NO_AUDIT } from '../../src/audit/audit-log.ts';
import { CallerAudit } from '../../src/callers/caller-audit.ts';
import { CallerSessions, type SessionServices } from '../../src/callers/caller-sessions.ts';
import { Ownerships } from '../../src/callers/ownership.ts';
import { LOCAL, type Principal } from '../../src/identity/principal.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'names-'));
const store = SqliteStore.open(directory);
const ownerships = new Ownerships(store.agents);
const principal = (id: string, role: Principal['roles'][number] = 'developer'): Principal => ({
  ...{ id, tenant: 'default', roles: [role] },
});
const ann = principal('ann');
const agentId = ownerships.idOf(ann, 'app');
store.agents.put({
  ...newAgent(agentId, { name: 'app', owner: 'ann', tenant: 'default' }),
  threadId: 't',
});

afterAll(() => {
  store.close();
  fs.rmSync(directory, { recursive: true });
});

test('what callers do is audited by the id of the agent, however each calls it', () => {
  const entries: AuditEntry[] = [];
  const audit = { ...NO_AUDIT, append: (entry: AuditEntry) => void entries.push(entry) };
  const idIn = (who: Principal, agentName: string) => {
    new CallerAudit({ audit, ownerships }, who).append({ type: 'call', agentName });
    return entries.at(-1)?.agentId;
  };
  expect(idIn(ann, 'app')).toBe(agentId);
  expect(idIn(ann, 'app@ann')).toBe(agentId);
  expect(idIn(principal('root', 'admin'), 'app@ann')).toBe(agentId);
  expect(idIn(principal('bob'), 'app')).not.toBe(agentId);
  expect(idIn(LOCAL, 'app')).toBe('app');
  expect(idIn(principal('bob'), `app@ann${'x'.repeat(200)}`)).toMatch(/^app@annx{121}$/);
});

test('an owner may call an agent by its full name', () => {
  const services: SessionServices = {
    store,
    agents: { statusOf: () => 'idle' },
    runtime: { confines: true, layout: () => expect.fail() },
    config: { CODEX_SANDBOX_MODE: 'read-only', CODEX_MODEL: 'm' },
  };
  const sessions = new CallerSessions({ ...services, ownerships }, ann);
  expect(sessions.get('t', 'app@ann')).toMatchObject({ threadId: 't', agent: 'app' });
  expect(() => sessions.get('t', 'other')).toThrow('no conversation "t" of agent other');
});
