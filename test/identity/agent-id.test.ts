import { expect, expectTypeOf, test } from 'vitest';
import type { AgentRecord } from '../../src/agents/agent.ts';
import type { AgentManager } from '../../src/agents/agent-manager.ts';
import type { AuditEntry } from '../../src/audit/audit-log.ts';
import type { CallerAudit } from '../../src/callers/caller-audit.ts';
import type { CallerTurns, TurnView } from '../../src/callers/caller-turns.ts';
import type { Ownerships } from '../../src/callers/ownership.ts';
import {
  type AgentId,
  type AgentName,
  agentIdSchema,
  agentNameSchema,
  ownNameSchema,
} from '../../src/identity/agent-id.ts';
import type { Caller } from '../../src/tools/tool.ts';
import type { TurnRequest } from '../../src/turns/turn.ts';

test('the name and the id of an agent are two types', () => {
  expectTypeOf<AgentName>().not.toExtend<AgentId>();
  expectTypeOf<AgentId>().not.toExtend<AgentName>();
  expectTypeOf(agentIdSchema.parse('a')).toEqualTypeOf<AgentId>();
  expectTypeOf(ownNameSchema.parse('a')).toEqualTypeOf<AgentName>();
  expectTypeOf(agentNameSchema.parse('a@ann')).toEqualTypeOf<AgentName>();
});

test('callers have names, and what is below them has ids', () => {
  expectTypeOf<Parameters<AgentManager['withAgent']>[0]>().toEqualTypeOf<AgentId>();
  expectTypeOf<Parameters<AgentManager['statusOf']>[0]>().toEqualTypeOf<AgentId>();
  expectTypeOf<TurnRequest['agentId']>().toEqualTypeOf<AgentId>();
  expectTypeOf<AgentRecord['agentId']>().toEqualTypeOf<AgentId>();
  expectTypeOf<AgentRecord['name']>().toEqualTypeOf<AgentName>();
  expectTypeOf<Caller['defaultAgentName']>().toEqualTypeOf<AgentName>();
  expectTypeOf<TurnView>().not.toHaveProperty('agentId');
  expectTypeOf<TurnView['agentName']>().toEqualTypeOf<AgentName>();
});

test('a name is no id, and an id no name', () => {
  // Only compiled: each line is taken or refused.
  const mixUps = async (
    { id, name }: { id: AgentId; name: AgentName },
    { agents, turns, audit, ownerships }: Seams,
  ) => {
    await agents.withAgent(id, async () => undefined);
    // @ts-expect-error
    await agents.withAgent(name, async () => undefined);
    turns.submit({ agentName: name, tool: 'plan', args: {} });
    // @ts-expect-error
    turns.submit({ agentName: id, tool: 'plan', args: {} });
    turns.count(name);
    // @ts-expect-error
    turns.count(id);
    audit.append({ type: 'call', agentName: name });
    // @ts-expect-error
    audit.append({ type: 'call', agentName: id });
    const entry: AuditEntry = { type: 'call', agentId: id };
    // @ts-expect-error
    entry.agentId = name;
    const byId = new Map<AgentId, string>([[id, '']]);
    // @ts-expect-error
    byId.get(name);
    const principal = { id: 'ann', tenant: 'default', roles: [] };
    ownerships.nameFor(principal, ownerships.idOf(principal, name));
    // @ts-expect-error
    ownerships.idOf(principal, ownerships.idOf(principal, name));
  };
  expectTypeOf(mixUps).toBeFunction();
});

type Seams = {
  agents: AgentManager;
  turns: CallerTurns;
  audit: CallerAudit;
  ownerships: Ownerships;
};

test.each([
  ['app', true, true],
  ['app@ann', false, true],
  ['app@an n', false, false],
  ['-app', false, false],
  ['a..b', false, false],
  ['a'.repeat(64), true, true],
  ['a'.repeat(65), false, false],
])('%s is an id: %s, a name: %s', (text, isId, isName) => {
  expect(agentIdSchema.safeParse(text).success).toBe(isId);
  expect(ownNameSchema.safeParse(text).success).toBe(isId);
  expect(agentNameSchema.safeParse(text).success).toBe(isName);
});
