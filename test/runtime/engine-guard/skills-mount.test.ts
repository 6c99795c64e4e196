import { expect, test } from 'vitest';
import { settingsSchema } from '../../../src/config/settings.ts';
import {
  containerNames,
  createOptions,
  specFingerprint,
} from '../../../src/runtime/docker/container-options.ts';
import { allowContainer } from '../../../src/runtime/engine-guard/container-rule.ts';

const shapeOf = (settings: object) => ({
  config: settingsSchema.parse(settings),
  ...{ image: 'image', imageId: 'x', cpus: 4 },
});
const withSkills = shapeOf({ SKILLS_DIR: '/srv/skills' });
const without = shapeOf({});

function body(shape: typeof withSkills) {
  return JSON.parse(JSON.stringify(createOptions('i', { agentId: 'a', env: {} }, shape)));
}

function allow(given: unknown, guard: typeof withSkills) {
  return allowContainer('i', { name: containerNames('i', 'a').container, body: given }, guard);
}

test('the directory of skills is mounted read-only, and replaces containers that have it not', () => {
  expect(body(withSkills).HostConfig.Mounts).toContainEqual({
    ...{ Type: 'bind', Source: '/srv/skills', Target: '/etc/codex/skills/server' },
    ...{ ReadOnly: true, BindOptions: { Propagation: 'rprivate', NonRecursive: true } },
  });
  expect(body(without).HostConfig.Mounts).toHaveLength(2);
  expect(specFingerprint(withSkills)).not.toBe(specFingerprint(without));
});

test('a guard lets through its own directory of skills as it is, and no other mount', () => {
  expect(allow(body(withSkills), withSkills).body).toContain('/srv/skills');
  expect(() => allow(body(without), withSkills)).toThrow('HostConfig.Mounts');
  expect(() => allow(body(withSkills), without)).toThrow('HostConfig.Mounts');
  const changes = [
    { Source: '/' },
    { Source: '/srv/skills/..' },
    { Target: '/etc' },
    { ReadOnly: false },
    { BindOptions: { Propagation: 'rshared', NonRecursive: true } },
  ];
  for (const change of changes) {
    const changed = body(withSkills);
    Object.assign(changed.HostConfig.Mounts[0], change);
    expect(() => allow(changed, withSkills), JSON.stringify(change)).toThrow('HostConfig.Mounts');
  }
});
