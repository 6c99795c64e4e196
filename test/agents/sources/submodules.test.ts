import { expect, test } from 'vitest';
import { missingContentNotes, readMissingContent } from '../../../src/agents/sources/submodules.ts';

const modules = (entries: Record<string, string>) => {
  const text = Object.entries(entries).map(([key, value]) => `submodule.${key}\n${value}\0`);
  return `modules\t${Buffer.from(text.join('')).toString('base64')}`;
};
const place = { within: 'lib', url: 'https://h.org/team/app.git' };

test('URLs are absolute, and beside the repository that names them', () => {
  const output = [
    ...[
      'submodule\ta',
      'submodule\t"\\303\\251"',
      'submodule\tssh',
      'submodule\tnobody',
      'lfs\tx.bin',
    ],
    modules({
      'x.y.path': 'a',
      'x.y.url': '../../other/a.git',
      'z.path': 'é',
      'z.url': 'https://else.org/z',
      's.path': 'ssh',
      's.url': 'git@h.org:s.git',
    }),
  ].join('\n');
  expect(readMissingContent(output, place)).toEqual({
    submodules: [
      { name: 'x.y', path: 'a', within: 'lib', url: 'https://h.org/other/a.git' },
      { name: 'z', path: 'é', within: 'lib', url: 'https://else.org/z' },
    ],
    unreachable: ['lib/ssh', 'lib/nobody'],
    lfs: ['lib/x.bin'],
  });
});

test.each(['https://me:pw@h.org/x', 'file:///etc', 'ext::sh -c x', '/etc/x.git', '-u'])(
  '%s is not fetched',
  (url) => {
    const output = `submodule\ta\n${modules({ 'a.path': 'a', 'a.url': url })}`;
    expect(readMissingContent(output, place)).toMatchObject({
      submodules: [],
      unreachable: ['lib/a'],
    });
  },
);

test('whatever a container says is read as far as it has the form', () => {
  const nonsense = ['', '\t\t', 'modules\t!!', 'submodule\t', 'other\tx', 'lfs'].join('\n');
  const nothing = { submodules: [], unreachable: [], lfs: [] };
  expect(readMissingContent(nonsense, place)).toEqual(nothing);
});

test('notes name the first of many', () => {
  const many = Array.from({ length: 25 }, (_, index) => `m${index}`);
  const [note] = missingContentNotes(many, { lfs: [], wanted: false });
  expect(note).toMatch(/"m19" and 5 more\.$/);
  expect(missingContentNotes([], { lfs: [], wanted: true })).toEqual([]);
});
