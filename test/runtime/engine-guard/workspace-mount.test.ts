import { expect, test } from 'vitest';
import { settingsSchema } from '../../../src/config/settings.ts';
import {
  containerLabels,
  containerNames,
  copyOptions,
  createOptions,
} from '../../../src/runtime/docker/container-options.ts';
import {
  allowContainer,
  workspaceMountOf,
} from '../../../src/runtime/engine-guard/container-rule.ts';

const shapeOf = (settings: object) => ({
  config: settingsSchema.parse(settings),
  ...{ image: 'image', imageId: 'x', cpus: 4 },
});
const withRoots = shapeOf({ WORKSPACE_ROOTS: '/srv/app:/srv/other' });
const without = shapeOf({});
const spec = (workspacePath: string) => ({ agentId: 'a', env: {}, workspacePath });
const body = (workspacePath: string) =>
  JSON.parse(JSON.stringify(createOptions('i', spec(workspacePath), withRoots)));
const copyOf = (workspacePath: string) => {
  const from = { agentId: 'b', workspacePath };
  return JSON.parse(JSON.stringify(copyOptions('i', { from, to: 'a' }, withRoots)));
};
const allow = (given: unknown, shape = withRoots) => {
  const workspacePath = workspaceMountOf(given)?.source;
  const name = containerNames('i', 'a').container;
  return allowContainer('i', { name, body: given }, { ...shape, workspacePath });
};

test('a directory of the machine is mounted instead of the volume, and is the container of that agent', () => {
  const { Mounts: mounts } = body('/srv/app').HostConfig;
  expect(mounts).toHaveLength(2);
  expect(mounts).toContainEqual({
    ...{ Type: 'bind', Source: '/srv/app', Target: '/workspace' },
    BindOptions: { Propagation: 'rprivate', NonRecursive: true },
  });
  expect(JSON.stringify(mounts)).not.toContain(containerNames('i', 'a').workspaceVolume);
  const labels = containerLabels('i', spec('/srv/app'), withRoots);
  expect(labels).toEqual(containerLabels('i', spec('/srv/app'), withRoots));
  expect(labels).not.toEqual(containerLabels('i', spec('/srv/other'), withRoots));
});

test('whoever copies has the directory read-only, and volumes for the copy', () => {
  const { Mounts: mounts } = copyOf('/srv/app').HostConfig;
  expect(mounts.filter(({ Type }: { Type: string }) => Type === 'bind')).toEqual([
    expect.objectContaining({ Source: '/srv/app', Target: '/from/workspace', ReadOnly: true }),
  ]);
  expect(JSON.stringify(mounts)).toContain(containerNames('i', 'a').workspaceVolume);
});

test('a guard finds the directory that a container is to have, and whether it may write there', () => {
  expect(workspaceMountOf(body('/srv/app'))).toEqual({ source: '/srv/app', writable: true });
  expect(workspaceMountOf(copyOf('/srv/app'))).toEqual({ source: '/srv/app', writable: false });
  const plain = createOptions('i', { agentId: 'a', env: {} }, without);
  expect(workspaceMountOf(plain)).toBeUndefined();
  expect(allow(JSON.parse(JSON.stringify(plain)), without)).toBeDefined();
  expect(allow(body('/srv/app')).body).toContain('"/srv/app"');
  expect(allow(copyOf('/srv/other')).body).toContain('"/srv/other"');
});

test('a guard holds the mount of a directory to how a server makes it', () => {
  const changes = [
    { Target: '/etc' },
    { ReadOnly: true },
    { BindOptions: { Propagation: 'rshared', NonRecursive: true } },
    { BindOptions: { Propagation: 'rprivate', NonRecursive: true, CreateMountpoint: true } },
  ];
  for (const change of changes) {
    const changed = body('/srv/app');
    const bind = changed.HostConfig.Mounts.find(({ Type }: { Type: string }) => Type === 'bind');
    Object.assign(bind, change);
    expect(() => allow(changed), JSON.stringify(change)).toThrow('HostConfig.Mounts');
  }
  const writable = copyOf('/srv/app');
  const from = writable.HostConfig.Mounts.find(({ Type }: { Type: string }) => Type === 'bind');
  from.ReadOnly = false;
  expect(() => allow(writable)).toThrow('HostConfig.Mounts');
  const twice = body('/srv/app');
  twice.HostConfig.Mounts.push({ ...twice.HostConfig.Mounts[0], Target: '/more' });
  expect(() => allow(twice)).toThrow('HostConfig.Mounts');
});
