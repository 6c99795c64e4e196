import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { TurnSandbox } from '../../src/codex/codex-client.ts';
import {
  codexNotification,
  commandExecReply,
  initializeReply,
  loadedThreadsReply,
  openedThreadReply,
  parseNotification,
  skillsReply,
  threadReply,
  turnIdReply,
  turnReply,
  turnsListReply,
  UNWANTED_NOTIFICATIONS,
} from '../../src/codex/protocol.ts';
import {
  commandExecParams,
  initializeParams,
  injectItemsParams,
  skillsListParams,
  threadResumeParams,
  threadStartParams,
  turnStartParams,
  turnSteerParams,
  turnsListParams,
} from '../../src/codex/requests.ts';
import { ANSWERED_METHODS, defaultReply } from '../../src/codex/server-requests/default-replies.ts';
import { parseServerRequest } from '../../src/codex/server-requests/parse-server-request.ts';
import { serverRequestMessage } from '../../src/codex/server-requests/protocol.ts';
import { TURN } from './fake-app-server.ts';
import {
  closed,
  generateSchemas,
  paramsByMethod,
  type Schema,
  samples,
  unknownPaths,
} from './generated-schema.ts';

const schemaOf = generateSchemas();
const notifications = paramsByMethod(schemaOf('ServerNotification'));
const serverRequests = paramsByMethod(schemaOf('ServerRequest'));

/** What is wrong with a value, or null. */
function faults(schema: Schema, value: unknown): unknown {
  const ajv = formats.default(new Ajv({ strict: false, allErrors: true, logger: false }));
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return ajv.validate(closed(schema) as Schema, plain) ? null : ajv.errors;
}

describe('what we send is what Codex takes', () => {
  const thread = {
    cwd: '/workspace',
    model: 'gpt-5.5',
    developerInstructions: 'Be brief.',
    baseInstructions: 'Work.',
    config: { model_verbosity: 'low' },
  };
  const turn = (sandbox: TurnSandbox) =>
    turnStartParams({ ...TURN, sandbox, outputSchema: { type: 'object' } });
  const command = commandExecParams(
    {
      ...{ command: ['true'], cwd: '/workspace', sandbox: 'workspace-write' },
      ...{ timeoutMs: 1000, outputBytes: 100 },
    },
    'process-1',
  );
  test.each([
    ['initialize', 'v1/InitializeParams', initializeParams('0.0.1')],
    ['thread/start', 'v2/ThreadStartParams', threadStartParams(thread)],
    ['thread/resume', 'v2/ThreadResumeParams', threadResumeParams('thread-1', thread)],
    ['turn/start', 'v2/TurnStartParams', turn('external')],
    [
      'turn/start',
      'v2/TurnStartParams',
      turnStartParams({ ...TURN, skills: [{ name: 'greet', path: '/etc/greet/SKILL.md' }] }),
    ],
    ['turn/start', 'v2/TurnStartParams', turn('workspace-write')],
    ['turn/start', 'v2/TurnStartParams', turn('read-only')],
    ['thread/turns/list', 'v2/ThreadTurnsListParams', turnsListParams('thread-1')],
    ['thread/loaded/list', 'v2/ThreadLoadedListParams', {}],
    ['thread/read', 'v2/ThreadReadParams', { threadId: 'a' }],
    ['thread/inject_items', 'v2/ThreadInjectItemsParams', injectItemsParams('a', 'Be brief.')],
    ['skills/list', 'v2/SkillsListParams', skillsListParams('/workspace')],
    ['skills/extraRoots/set', 'v2/SkillsExtraRootsSetParams', { extraRoots: ['/skills'] }],
    ['thread/unsubscribe', 'v2/ThreadUnsubscribeParams', { threadId: 'a' }],
    ['turn/steer', 'v2/TurnSteerParams', turnSteerParams('a', 'b', 'Be quick.')],
    ['command/exec', 'v2/CommandExecParams', command],
    ['command/exec/terminate', 'v2/CommandExecTerminateParams', { processId: 'a' }],
    ['turn/interrupt', 'v2/TurnInterruptParams', { threadId: 'a', turnId: 'b' }],
    [
      'thread/backgroundTerminals/clean',
      'v2/ThreadBackgroundTerminalsCleanParams',
      { threadId: 'a' },
    ],
  ])('%s', (method, file, params) => {
    const methods = paramsByMethod(schemaOf('ClientRequest'));
    expect(methods.get(method)).toBe(file.split('/')[1]);
    expect(faults(schemaOf(file), params)).toBeNull();
  });

  test('a misspelt key would be found', () => {
    const misspelt = { ...turn('external'), outputScheme: {} };
    expect(faults(schemaOf('v2/TurnStartParams'), misspelt)).not.toBeNull();
  });
});

describe('what Codex sends is what we read', () => {
  test.each([
    ['v1/InitializeResponse', initializeReply],
    ['v2/ThreadStartResponse', openedThreadReply],
    ['v2/ThreadResumeResponse', openedThreadReply],
    ['v2/ThreadForkResponse', openedThreadReply],
    ['v2/SkillsListResponse', skillsReply],
    ['v2/ThreadReadResponse', threadReply],
    ['v2/ThreadLoadedListResponse', loadedThreadsReply],
    ['v2/TurnSteerResponse', turnIdReply],
    ['v2/TurnStartResponse', turnReply],
    ['v2/ThreadTurnsListResponse', turnsListReply],
    ['v2/CommandExecResponse', commandExecReply],
  ])('%s', (file, ours) => {
    const theirs = schemaOf(file);
    const json = z.toJSONSchema(ours) as Schema;
    expect(unknownPaths(json, theirs, theirs)).toEqual([]);
    for (const sample of samples(theirs, theirs)) ours.parse(sample);
  });

  test.each(
    codexNotification.options.map(({ shape }) => [shape.method.value, shape.params] as const),
  )('%s', (method, ours) => {
    const theirs = schemaOf(`v2/${notifications.get(method)}`);
    const json = z.toJSONSchema(ours) as Schema;
    expect(unknownPaths(json, theirs, theirs)).toEqual([]);
    const all = samples(theirs, theirs);
    expect(all.length).toBeGreaterThan(0);
    for (const sample of all) parseNotification(method, sample);
  });

  test.each(
    serverRequestMessage.options.map(({ shape }) => [shape.method.value, shape.params] as const),
  )('%s', (method, ours) => {
    const theirs = schemaOf(String(serverRequests.get(method)));
    const json = z.toJSONSchema(ours) as Schema;
    expect(unknownPaths(json, theirs, theirs)).toEqual([]);
    const all = samples(theirs, theirs);
    expect(all.length).toBeGreaterThan(0);
    for (const params of all) serverRequestMessage.parse({ method, params });
  });

  test('a renamed key would be found', () => {
    const theirs = schemaOf('v2/ItemCompletedNotification');
    const ours = z.object({ item: z.object({ type: z.literal('webSearch'), words: z.string() }) });
    const json = z.toJSONSchema(ours) as Schema;
    expect(unknownPaths(json, theirs, theirs)).toEqual(['.item.webSearch.words']);
  });

  test('the notifications that we turn off exist, and we read none of them', () => {
    const read = codexNotification.options.map(({ shape }) => String(shape.method.value));
    for (const method of UNWANTED_NOTIFICATIONS) {
      expect(notifications.has(method), method).toBe(true);
      expect(read).not.toContain(method);
    }
  });
});

describe('what Codex asks is what we answer', () => {
  test('exactly the requests that it can make', () => {
    expect([...ANSWERED_METHODS].sort()).toEqual([...serverRequests.keys()].sort());
  });

  test.each(ANSWERED_METHODS)('%s', (method) => {
    const answer = defaultReply(method);
    if ('error' in answer) return expect(answer.error.message).not.toBe('');
    expect(faults(replySchemaOf(method), answer.result)).toBeNull();
  });

  test.each(serverRequestMessage.options.map(({ shape }) => shape.method.value))(
    '%s, by people',
    (method) => {
      const theirs = schemaOf(String(serverRequests.get(method)));
      const answered = samples(theirs, theirs).flatMap((sample) => {
        const params = { ...(sample as object), _meta: { codex_approval_kind: 'mcp_tool_call' } };
        const request = parseServerRequest(1, method, { turnId: 'turn', ...params });
        const answers = { text: 'green' };
        return [true, false].map((approve) => request?.replyTo({ approve, answers }));
      });
      const replies = new Set(answered.flatMap((reply) => (reply ? JSON.stringify(reply) : [])));
      expect(replies.size).toBeGreaterThan(0);
      for (const reply of replies) {
        expect(faults(replySchemaOf(method), JSON.parse(reply).result)).toBeNull();
        expect(reply).not.toMatch(/session/i);
      }
    },
  );

  function replySchemaOf(method: string): Schema {
    return schemaOf(String(serverRequests.get(method)?.replace(/Params$/, 'Response')));
  }
});
