import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeEnvironment } from '../setup/node-programs.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
let directory: string;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tokens-'));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

function run(...args: string[]) {
  const env = { ...nodeEnvironment(), DATA_DIR: directory };
  return spawnSync(process.execPath, [MAIN, 'token', ...args], { env, encoding: 'utf8' });
}

test('a token is made, listed without its secret, and revoked once', () => {
  expect(run('list').stdout).toContain('There are no tokens');
  const made = run('create', 'ann', '--role', 'viewer', '--role', 'approver', '--expires', '30d');
  const secret = made.stdout.trim();
  expect(secret).toMatch(/^cmcp_[0-9a-f]{12}_[\w-]{43}$/);
  expect(made.stderr).toContain('every caller needs a token');
  const listed = run('list').stdout;
  const [id = ''] = listed.split(' ');
  expect(listed).toMatch(/^\w+ {2}ann: viewer, approver; holds until \d{4}-.*, never used$/m);
  expect(listed).not.toContain(secret.split('_')[2]);
  const again = run('create', 'bob', '--agents', 'one,two', '--tenant', 'lab', '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({
    principal: 'bob',
    tenant: 'lab',
    roles: ['developer'],
    agents: ['one', 'two'],
    expires_at: null,
  });
  expect(run('revoke', id).stdout).toBe(`Revoked ${id}.\n`);
  const twice = run('revoke', id);
  expect([twice.status, twice.stderr]).toEqual([2, expect.stringContaining('revoked already')]);
  expect(JSON.parse(run('list', '--json').stdout)).toMatchObject([
    { principal: 'bob', state: 'holds' },
    { principal: 'ann', state: 'revoked' },
  ]);
});

test.each([
  [['create'], 'Use token create NAME'],
  [['create', 'has space'], 'The name must be'],
  [['create', 'ann', '--role', 'king'], '--role Invalid option'],
  [['create', 'ann', '--expires', 'yesterday'], '--expires is "yesterday"'],
  [['create', 'ann', '--agents', '../x'], '--agents must be'],
  [['create', 'ann', '--agents', 'x', '--role', 'admin'], 'which sees every agent'],
  [['revoke', 'nothing'], 'There is no token nothing'],
  [['list', 'all', 'of', 'them'], 'Unexpected argument'],
])('token %j is refused: %s', (args, problem) => {
  const { status, stderr } = run(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(problem);
});
