import { expect, test } from 'vitest';
import { parseNotification } from '../../src/codex/protocol.ts';
import { unwrapShell } from '../../src/codex/shell-command.ts';
import { toTurnEvent } from '../../src/codex/turns/turn-events.ts';

const map = (method: string, params: Record<string, unknown>) => {
  const notification = parseNotification(method, { threadId: 't', turnId: 'u', ...params });
  return notification && toTurnEvent(notification);
};

test.each([
  [`/bin/bash -lc 'echo "a b" && ls'`, 'echo "a b" && ls'],
  [`bash -c ls`, 'ls'],
  [`/bin/zsh -lc "echo 'x' \\$HOME"`, `echo 'x' $HOME`],
  [`/bin/sh -c 'it'"'"'s'`, `it's`],
  [`/bin/bash -lc 'two\nlines'`, 'two\nlines'],
  [`/bin/bash -lc echo hi`, '/bin/bash -lc echo hi'],
  [`/bin/bash -lc 'open`, `/bin/bash -lc 'open`],
  [`git status`, 'git status'],
])('the command %j is shown as %j', (command, shown) => {
  expect(unwrapShell(command)).toBe(shown);
});

test('a renamed file is named by both paths, a rejected patch is not applied', () => {
  const changes = [
    { path: '/w/a', kind: { type: 'update', move_path: '/w/b' }, diff: '' },
    { path: '/w/c', kind: { type: 'add' }, diff: '' },
  ];
  const item = { type: 'fileChange', id: 'p', changes, status: 'declined' };
  expect(map('item/completed', { item })).toEqual({
    type: 'files_changed',
    itemId: 'p',
    paths: ['/w/a', '/w/b', '/w/c'],
    applied: false,
  });
});

test('tools, searches, compaction and warnings are shown', () => {
  const tool = { type: 'mcpToolCall', id: 'm', server: 'docs', tool: 'search' };
  const search = { type: 'webSearch', id: 's', query: 'node 24' };
  const events = [
    map('item/started', { item: tool }),
    map('item/completed', { item: search }),
    map('item/completed', { item: { type: 'contextCompaction', id: 'z' } }),
    map('warning', { message: 'careful' }),
    map('model/rerouted', { fromModel: 'a', toModel: 'b' }),
  ];
  expect(events).toEqual([
    { type: 'tool_called', itemId: 'm', tool: 'docs.search' },
    { type: 'web_searched', itemId: 's', query: 'node 24' },
    { type: 'context_compacted' },
    { type: 'warning', message: 'careful' },
    { type: 'warning', message: 'The provider uses the model b instead of a.' },
  ]);
});

test('an item of a kind that is not shown gives no event', () => {
  expect(map('item/completed', { item: { type: 'hologram', depth: 3 } })).toBeUndefined();
});
