import fs from 'node:fs';
import { expect, test } from 'vitest';
import { engineCallsPage } from '../../../docs/pages/engine-calls-page.ts';
import { matchCall } from '../../../src/runtime/engine-guard/engine-calls.ts';

const FLAG = /^-allow(\w+)='(.*)'$/gm;

test('docs/engine-calls.md is what `npm run docs` makes', () => {
  const page = new URL('../../../docs/engine-calls.md', import.meta.url);
  expect(fs.readFileSync(page, 'utf8')).toBe(engineCallsPage());
});

test.each([
  ['GET', '/containers/codex-agent-1-a.b_c/json', 'inspectContainer', 'codex-agent-1-a.b_c'],
  ['GET', '/containers/json', 'listContainers', ''],
  ['POST', '/containers/create', 'createContainer', ''],
  ['DELETE', '/containers/json', 'removeContainer', 'json'],
  [
    'GET',
    '/images/registry.example:5000/a/b:1.2/json',
    'findImage',
    'registry.example:5000/a/b:1.2',
  ],
  ['GET', '/images/a@sha256:0123/json', 'findImage', 'a@sha256:0123'],
  ['POST', '/exec/0123/start', 'startExec', '0123'],
])('%s %s is %s', (method, path, name, target) => {
  expect(matchCall(method, path)).toMatchObject({ name, target });
});

test('the flags for another proxy allow the same paths and no others', () => {
  // Go knows no look-ahead.
  expect(engineCallsPage()).not.toContain('(?!');
  const flags = Object.fromEntries(
    [...engineCallsPage().matchAll(FLAG)].map(([, method = '', paths]) => [
      method,
      new RegExp(paths ?? ''),
    ]),
  );
  expect(flags.GET?.test('/containers/a/json')).toBe(true);
  expect(flags.POST?.test('/containers/create')).toBe(true);
  expect(flags.DELETE?.test('/volumes/a')).toBe(true);
  for (const path of ['/secrets', '/containers/a/archive', '/containers/../info', '/v1.41/info']) {
    expect(Object.values(flags).filter((pattern) => pattern.test(path))).toEqual([]);
  }
});
