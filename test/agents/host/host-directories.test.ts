import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { rightsProblem } from '../../../src/agents/host/agent-rights.ts';
import { HostDirectories } from '../../../src/agents/host/host-directories.ts';
import { LOCAL, type Principal } from '../../../src/identity/principal.ts';
import { isWithin } from '../../../src/runtime/path-within.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';

const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-roots-')));
const at = (...parts: string[]) => path.join(base, ...parts);
const root = at('repos');
for (const name of ['repos/app/deep', 'repos/other', 'repos2/app', 'data']) {
  fs.mkdirSync(at(name), { recursive: true });
}
fs.writeFileSync(at('repos/file'), '');
fs.symlinkSync(at('repos2'), at('repos/out'));
fs.symlinkSync(at('repos/app'), at('repos/inside'));
fs.symlinkSync(root, at('linked-root'));
afterAll(() => fs.rmSync(base, { recursive: true }));

let store: SqliteStore;
let directories: HostDirectories;
const over = (roots: string[], confines = false) =>
  new HostDirectories({
    ...{ store, runtime: { confines } },
    config: { WORKSPACE_ROOTS: roots, DATA_DIR: at('data') },
  });
beforeEach(() => {
  const dataDir = fs.mkdtempSync(at('store-'));
  store = SqliteStore.open(dataDir);
  directories = over([root]);
  for (const agentId of ['a', 'b']) store.agents.put(newAgent(agentId));
  return () => store.close();
});
const attach = (directory: string, agentId = 'a') => {
  directories.attach(agentId, directory);
  return store.agents.get(agentId)?.workspacePath;
};
const code = (code: string) => expect.objectContaining({ code });

test.for([
  ['the root itself', root, root],
  ['a directory in it', at('repos/app'), at('repos/app')],
  ['.. within it', `${root}/other/../app`, at('repos/app')],
  ['a link within it', at('repos/inside'), at('repos/app')],
  ['a link to the root', at('linked-root/app'), at('repos/app')],
] as const)('%s becomes the workspace, by its real path', ([, given, real]) => {
  expect(attach(given)).toBe(real);
});

test.for([
  ['a link out of the root', at('repos/out/app'), 'workspace_path_denied'],
  ['.. out of the root', `${root}/../repos2/app`, 'workspace_path_denied'],
  ['.. behind a link', `${root}/out/../../repos2`, 'workspace_path_denied'],
  ['a name that begins like the root', at('repos2'), 'workspace_path_denied'],
  ['what is above the root', base, 'workspace_path_denied'],
  ['a relative path', 'repos/app', 'workspace_path_denied'],
  ['what is not there, elsewhere', '/nowhere/x', 'workspace_path_denied'],
  ['what is not there', at('repos/none'), 'workspace_path_unusable'],
  ['a file', at('repos/file'), 'workspace_path_unusable'],
] as const)('%s is refused', ([, given, expected]) => {
  expect(() => attach(given)).toThrow(code(expected));
  expect(store.agents.get('a')?.workspacePath).toBeUndefined();
});

test('without a root nothing is open, and the data of the server never is', () => {
  directories = over([]);
  expect(() => attach(root)).toThrow(/WORKSPACE_ROOTS, which is empty/);
  directories = over([base]);
  for (const given of [base, at('data')]) {
    expect(() => attach(given)).toThrow(code('workspace_path_denied'));
  }
  expect(attach(at('repos'))).toBe(root);
});

test('an agent keeps its directory for ever, and one that ran keeps what it has', () => {
  attach(at('repos/app'));
  expect(directories.attach('a', at('repos/inside'))).toBe(false);
  expect(() => attach(at('repos/other'))).toThrow(code('workspace_exists'));
  store.agents.put({ ...newAgent('b'), tokenSha256: 'x' });
  expect(() => attach(at('repos/other'), 'b')).toThrow(code('workspace_exists'));
  store.agents.put({ ...newAgent('a'), tokenSha256: 'y' });
  expect(store.agents.get('a')?.workspacePath).toBe(at('repos/app'));
});

test('an agent that a slot of the pool was claimed for has the workspace of that', () => {
  store.warmContainers.add({ id: 's', tokenSha256: 'x' });
  store.warmContainers.setReady('s', true);
  store.warmContainers.claim('a');
  expect(() => attach(at('repos/app'))).toThrow(code('workspace_exists'));
});

test('no two agents have directories that overlap, until one is removed', () => {
  attach(at('repos/app'));
  for (const given of [at('repos/app'), at('repos/app/deep'), root]) {
    expect(() => attach(given, 'b'), given).toThrow(code('workspace_path_taken'));
  }
  expect(attach(at('repos/other'), 'b')).toBe(at('repos/other'));
  store.agents.remove('a');
  store.agents.put(newAgent('c'));
  expect(attach(at('repos/app/deep'), 'c')).toBe(at('repos/app/deep'));
});

test('only administrators of the first tenant may name one', () => {
  const agent = newAgent('a');
  const as = (principal: Partial<Principal>) => () =>
    directories.admit({ ...LOCAL, id: 'x', ...principal }, agent, at('repos/app'));
  expect(as({})).not.toThrow();
  expect(as({ roles: ['developer', 'approver'] })).toThrow(code('forbidden'));
  expect(as({ tenant: 'lab' })).toThrow(code('forbidden'));
});

test('a directory that became a link is mounted no more, nor one whose root was taken away', () => {
  const real = attach(at('repos/app')) ?? '';
  directories.assertUsable(real);
  fs.renameSync(real, at('repos/moved'));
  expect(() => directories.assertUsable(real)).toThrow(code('workspace_path_unusable'));
  fs.symlinkSync(at('repos/other'), real);
  expect(() => directories.assertUsable(real)).toThrow(/it is now a link to .*other/);
  fs.rmSync(real);
  fs.symlinkSync('/etc', real);
  expect(() => directories.assertUsable(real)).toThrow(code('workspace_path_denied'));
  fs.rmSync(real);
  fs.renameSync(at('repos/moved'), real);
  directories = over([at('repos2')]);
  expect(() => directories.assertUsable(real)).toThrow(code('workspace_path_denied'));
});

test('the user of agents in containers must be able to use it, and nobody is made its owner', () => {
  const rights = (uid: number, gid: number, mode: number) => rightsProblem({ uid, gid, mode });
  expect(rights(1000, 5, 0o40700)).toBeUndefined();
  expect(rights(5, 1000, 0o40770)).toBeUndefined();
  expect(rights(5, 5, 0o40777)).toBeUndefined();
  expect(rights(1000, 5, 0o40577)).toContain('owner 1000:5, mode 577');
  expect(rights(5, 5, 0o40775)).toMatch(/uid 1000 .*change the owner/);
  expect(rights(5, 1000, 0o40757)).toBeDefined();
});

test('paths lie within others by their parts', () => {
  expect(isWithin('/srv/repos', '/srv/repos')).toBe(true);
  expect(isWithin('/srv/repos', '/srv/repos/..x')).toBe(true);
  expect(isWithin('/srv/repos', '/srv/repos2')).toBe(false);
  expect(isWithin('/srv/repos', '/srv')).toBe(false);
});
