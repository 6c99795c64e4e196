import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { WorkspaceRule } from '../../../src/runtime/engine-guard/workspace-rule.ts';

type Mount = { Type: string; Source: string; Destination: string; RW: boolean };

let top: string;
/** The containers of agents, by id, as the engine tells of them. */
let containers: Record<string, Mount[]>;
let rule: WorkspaceRule;
const at = (...names: string[]) => path.join(top, ...names);
const bind = (Source: string, RW = true): Mount => ({
  ...{ Type: 'bind', Source, RW },
  Destination: RW ? '/workspace' : '/from/workspace',
});

beforeEach(() => {
  top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-roots-')));
  onTestFinished(() => fs.rmSync(top, { recursive: true, force: true }));
  for (const name of ['root/app/inner', 'root/other', 'outside', 'more']) {
    fs.mkdirSync(at(name), { recursive: true });
  }
  containers = {};
  const read = async (url: string) => {
    const [, id = ''] = /^\/containers\/(\w+)\/json$/.exec(url) ?? [];
    if (id) return { Id: id, Mounts: containers[id] };
    return Object.entries(containers).map(([Id, Mounts]) => ({ Id, Mounts }));
  };
  rule = new WorkspaceRule({ read }, [at('root'), at('more')]);
});

test('roots and directories below them are open, and nothing else', () => {
  for (const name of ['root', 'more', 'root/app', 'root/app/inner']) {
    expect(() => rule.assertOpen(at(name)), name).not.toThrow();
  }
  const roots = `${at('root')} and ${at('more')}`;
  const outside = ['/', top, at('outside'), at('root2'), `${at('root')}/../outside`];
  for (const source of [...outside, `${at('root')}/`, `${at('root')}/./app`, 'root/app', '']) {
    expect(() => rule.assertOpen(source), source).toThrow(
      `${source} is outside of the guard's WORKSPACE_ROOTS: ${roots}`,
    );
  }
  fs.writeFileSync(at('root/file'), '');
  expect(() => rule.assertOpen(at('root/file'))).toThrow('root/file is not a directory');
  expect(() => rule.assertOpen(at('root/gone'))).toThrow(`cannot read ${at('root/gone')}`);
  expect(() => rule.assertOpen(`${at('root')}/a\0b`)).toThrow('the guard cannot read');
});

test('no link is followed, wherever it leads and whatever comes after it', () => {
  fs.symlinkSync(at('outside'), at('root/out'));
  fs.symlinkSync(at('root/app'), at('root/in'));
  fs.mkdirSync(at('outside/app'));
  for (const name of ['root/out', 'root/in']) {
    expect(() => rule.assertOpen(at(name))).toThrow(`${at(name)} is a link`);
    expect(() => rule.assertOpen(at(name, 'inner'))).toThrow(`${at(name)} is a link`);
  }
});

test('a root that is reached through a link of the operator is open by its real path', () => {
  fs.symlinkSync(at('root'), at('name'));
  const named = new WorkspaceRule({ read: async () => [] }, [at('name')]);
  expect(() => named.assertOpen(at('name'))).not.toThrow();
  expect(() => named.assertOpen(at('root/app'))).not.toThrow();
  expect(() => named.assertOpen(at('name/app'))).toThrow('outside of');
});

test('nobody gets a directory that another agent writes above, or below which one has its own', async () => {
  containers = { a: [bind(at('root/app'))] };
  const claim = (name: string, writable = true) =>
    rule.claim({ source: at(name), writable }, async () => undefined);
  await expect(claim('root/app/inner')).rejects.toThrow(`overlaps with ${at('root/app')}`);
  await expect(claim('root/app/inner', false)).rejects.toThrow('overlaps');
  await expect(claim('root')).rejects.toThrow('overlaps');
  await claim('root', false);
  await claim('root/app', false);
  await claim('root/other');
  // Who only reads can put no link anywhere.
  containers = { a: [bind(at('root'), false)] };
  await claim('root/app');
});

test('of two that overlap and are asked for at once one is made', async () => {
  const answered = Promise.withResolvers<void>();
  const first = rule.claim({ source: at('root/app'), writable: true }, async () => {
    await answered.promise;
    containers.a = [bind(at('root/app'))];
  });
  const second = rule.claim({ source: at('root/app/inner'), writable: true }, async () => {
    throw new Error('made');
  });
  await setImmediate();
  answered.resolve();
  await first;
  await expect(second).rejects.toThrow('overlaps');
});

test('what a container has is looked at again before each start', async () => {
  containers = {
    a: [bind(at('root/app'))],
    copier: [bind(at('root/other'), false)],
    plain: [{ Type: 'volume', Source: '/var/x', Destination: '/workspace', RW: true }],
    skilled: [{ Type: 'bind', Source: '/srv/skills', Destination: '/etc/skills', RW: false }],
  };
  for (const id of Object.keys(containers)) await rule.assertStartable(id);
  for (const name of ['root/app', 'root/other']) {
    fs.rmSync(at(name), { recursive: true });
    fs.symlinkSync(at('outside'), at(name));
  }
  await expect(rule.assertStartable('a')).rejects.toThrow('is a link');
  await expect(rule.assertStartable('copier')).rejects.toThrow('is a link');
  const { read } = { read: async () => ({ Id: 'a', Mounts: [bind(at('more'))] }) };
  await expect(new WorkspaceRule({ read }, []).assertStartable('a')).rejects.toThrow('none');
});
