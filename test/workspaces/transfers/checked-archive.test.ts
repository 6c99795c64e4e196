import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { expect, test } from 'vitest';
import type { AppError } from '../../../src/errors.ts';
import {
  ArchiveRules,
  type EntryHeader,
  type RuleOptions,
} from '../../../src/workspaces/transfers/archive-rules.ts';
import { checkedArchive } from '../../../src/workspaces/transfers/checked-archive.ts';

type Entry = EntryHeader & { content?: string };

const BOUNDS = { bytes: 1024 * 1024, entries: 100 };

async function archiveOf(...entries: Entry[]): Promise<Buffer> {
  const packed = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) packed.entry(header).end(undefined);
    else packed.entry(header, content);
  }
  packed.finalize();
  return buffer(Readable.from(packed));
}

async function check(archive: Buffer, options: Partial<RuleOptions> = {}) {
  const rules = new ArchiveRules({ bounds: BOUNDS, git: 'skip', ...options });
  // In small pieces, as they come over a network.
  const pieces = Array.from({ length: Math.ceil(archive.length / 700) }, (_, index) =>
    archive.subarray(index * 700, (index + 1) * 700),
  );
  const whole = await buffer(Readable.from(checkedArchive(Readable.from(pieces), rules)));
  return { whole, report: rules.report };
}

function unpack(archive: Buffer): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-unpack-'));
  const { status, stderr } = spawnSync('tar', ['-xof', '-'], { cwd: directory, input: archive });
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  return directory;
}

test('files, directories, links and modes arrive, whoever they belonged to', async () => {
  const long = `${'long/'.repeat(40)}${'n'.repeat(200)}.txt`;
  const archive = await archiveOf(
    { name: './', type: 'directory' },
    { name: './src', type: 'directory', uid: 4711 },
    { name: './src/a.txt', content: 'a', mode: 0o4777, uid: 0, mtime: new Date(1e12) },
    { name: 'src/plain', content: 'p', mode: 0o600 },
    { name: 'src/ünï code', content: 'u' },
    { name: 'src/link', type: 'symlink', linkname: '../src/a.txt' },
    { name: 'hard', type: 'link', linkname: './src/a.txt' },
    { name: long, content: 'deep' },
    { name: 'big', content: 'x'.repeat(200_000) },
  );
  const { whole, report } = await check(archive);
  const directory = unpack(whole);
  const stat = fs.statSync(path.join(directory, 'src/a.txt'));
  expect(stat.mode & 0o7777).toBe(0o755 & ~process.umask());
  expect(stat.mtimeMs).toBe(1e12);
  expect(stat.nlink).toBe(2);
  expect(fs.statSync(path.join(directory, 'src/plain')).mode & 0o100).toBe(0);
  expect(fs.readFileSync(path.join(directory, 'src/ünï code'), 'utf8')).toBe('u');
  expect(fs.readlinkSync(path.join(directory, 'src/link'))).toBe('../src/a.txt');
  expect(fs.readFileSync(path.join(directory, long), 'utf8')).toBe('deep');
  expect(fs.statSync(path.join(directory, 'big')).size).toBe(200_000);
  expect(report).toMatchObject({ files: 5, directories: 1, links: 2, skipped: 0 });
  fs.rmSync(directory, { recursive: true });
});

test('archives of tar as people make them pass', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-pack-'));
  fs.mkdirSync(path.join(directory, 'd/.git'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'd/.git/config'), 'secret');
  fs.writeFileSync(path.join(directory, 'd/file'), 'content');
  for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
    const args = ['-cf', '-', `--format=${format}`, '.'];
    const { stdout } = spawnSync('tar', args, { cwd: directory });
    if (format === 'v7') {
      await expect(check(stdout)).rejects.toThrow('unknown format');
      continue;
    }
    const { whole, report } = await check(stdout);
    expect(report).toMatchObject({ files: 1, directories: 1, skipped: 2 });
    expect(whole.includes('content') && !whole.includes('secret')).toBe(true);
  }
  fs.rmSync(directory, { recursive: true });
});

const FILE = { content: 'x' };
const HOSTILE: [what: string, entry: string, why: string, entries: Entry[]][] = [
  ['leads up', 'a/../../b', '".."', [{ name: 'a/../../b', ...FILE }]],
  ['is absolute', '/etc/passwd', 'absolute', [{ name: '/etc/passwd', ...FILE }]],
  ['is the parent', '..', '".."', [{ name: '..', type: 'directory' }]],
  ['links to an absolute path', 'l', 'outside of the workspace', [link('l', '/etc/passwd')]],
  ['links upwards', 'l', 'outside of the workspace', [link('l', '../x')]],
  ['links upwards from below', 'd/l', 'outside of the workspace', [link('d/l', '../../x')]],
  [
    'links up through a link',
    'l',
    'outside of the workspace',
    [link('a/b/up', '../..'), link('l', 'a/b/up/..')],
  ],
  ['links to nothing', 'l', 'outside of the workspace', [link('l', '')]],
  ['lies below a link', 'l/x', 'parent', [link('l', 'd'), { name: 'l/x', ...FILE }]],
  [
    'lies below a file',
    'f/x',
    'parent',
    [
      { name: 'f', ...FILE },
      { name: 'f/x', ...FILE },
    ],
  ],
  ['is a link where a file was', 'f', 'same path', [{ name: 'f', ...FILE }, link('f', 'g')]],
  ['is a file where a link was', 'f', 'same path', [link('f', 'g'), { name: './f', ...FILE }]],
  [
    'is a link in place of a directory',
    'd',
    'same path',
    [{ name: 'd/x', ...FILE }, link('d', 'g')],
  ],
  [
    'is a directory in place of a link',
    'd',
    'same',
    [link('d', 'g'), { name: 'd', type: 'directory' }],
  ],
  [
    'is there twice',
    'f',
    'same path',
    [
      { name: 'f', ...FILE },
      { name: 'f', ...FILE },
    ],
  ],
  ['is a hard link out', 'h', 'hard link', [hard('h', '/etc/passwd')]],
  ['is a hard link up', 'h', 'hard link', [hard('h', '../x')]],
  ['is a hard link to a link', 'h', 'hard link', [link('l', 'x'), hard('h', 'l')]],
  ['is a hard link to a later file', 'h', 'hard link', [hard('h', 'x'), { name: 'x', ...FILE }]],
  [
    'is a device',
    'dev',
    'not a file, directory or link',
    [{ name: 'dev', type: 'character-device', devmajor: 1, devminor: 3 }],
  ],
  [
    'is a block device',
    'dev',
    'not a file, directory or link',
    [{ name: 'dev', type: 'block-device', devmajor: 8 }],
  ],
  ['is a pipe', 'pipe', 'not a file, directory or link', [{ name: 'pipe', type: 'fifo' }]],
  ['is sparse', 's', 'sparse', [{ name: 's', ...FILE, pax: { 'GNU.sparse.major': '1' } }]],
  ['has a long name', 'n'.repeat(200), 'longer', [{ name: 'n'.repeat(256), ...FILE }]],
  ['is deep', 'd/'.repeat(100), 'deeper', [{ name: `${'d/'.repeat(100)}f`, ...FILE }]],
  ['has no name', '.', 'no name', [{ name: '.', ...FILE }]],
  [
    'takes the name of the staging',
    '.codex-mcp-staging/x',
    'reserved',
    [{ name: './.codex-mcp-staging/x', ...FILE }],
  ],
];

test.each(HOSTILE)(
  'an entry that %s is refused by its name',
  async (_what, entry, why, entries) => {
    const refusal = check(await archiveOf({ name: 'good', ...FILE }, ...entries));
    const error = await refusal.then(
      () => undefined,
      (failure) => failure as AppError,
    );
    expect(error?.message).toContain(why);
    expect(error).toMatchObject({ code: 'archive_invalid' });
    expect(String(error?.data.entry)).toContain(entry);
  },
);

test('where what is read is hostile, such entries are left out and the others handed on', async () => {
  for (const [what, , , entries] of HOSTILE) {
    const archive = await archiveOf({ name: 'good', ...FILE }, ...entries, {
      name: 'also',
      ...FILE,
    });
    const { whole, report } = await check(archive, { lenient: true });
    expect(report.omitted, what).toBe(1);
    fs.rmSync(unpack(whole), { recursive: true });
  }
});

test('links may go up as far as the workspace, where an archive is of a directory in it', async () => {
  const archive = await archiveOf(link('l', '../shared/x'));
  await expect(check(archive)).rejects.toThrow('outside of the workspace');
  await check(archive, { base: ['packages'] });
});

test('repositories are left out or refused, in any case of letters', async () => {
  const archive = await archiveOf({ name: 'a/.GIT/hooks/post-checkout', ...FILE });
  expect((await check(archive)).report).toMatchObject({ files: 0, skipped: 1 });
  await expect(check(archive, { git: 'refuse' })).rejects.toThrow('is in .git');
  expect((await check(archive, { git: 'take' })).report.files).toBe(1);
});

test('bytes and entries are bounded before they are read', async () => {
  const many = await archiveOf(
    ...Array.from({ length: 101 }, (_, n) => ({ name: `f${n}`, ...FILE })),
  );
  const tooLarge = { code: 'upload_too_large' };
  await expect(check(many)).rejects.toMatchObject(tooLarge);
  const [header] = [
    (await archiveOf({ name: 'bomb', content: 'x'.repeat(2000) })).subarray(0, 512),
  ];
  const bounds = { bytes: 2000, entries: 10 };
  await expect(check(header ?? Buffer.alloc(0), { bounds })).rejects.toMatchObject(tooLarge);
});

test('what is no archive, or half of one, is refused', async () => {
  const archive = await archiveOf({ name: 'f', content: 'x'.repeat(3000) });
  const invalid = { code: 'archive_invalid' };
  await expect(check(Buffer.alloc(0))).rejects.toMatchObject(invalid);
  await expect(check(Buffer.from('PK\x03\x04'.repeat(300)))).rejects.toMatchObject(invalid);
  await expect(check(archive.subarray(0, 2000))).rejects.toMatchObject(invalid);
  await expect(check(archive.subarray(0, 100))).rejects.toMatchObject(invalid);
  const damaged = Buffer.from(archive);
  damaged.write('9', 10);
  await expect(check(damaged)).rejects.toMatchObject(invalid);
});

test('a source that breaks ends the reading with its reason', async () => {
  const archive = await archiveOf({ name: 'f', content: 'x'.repeat(3000) });
  const broken = (async function* () {
    yield archive.subarray(0, 1000);
    throw new Error('the client went away');
  })();
  const rules = new ArchiveRules({ bounds: BOUNDS, git: 'skip' });
  await expect(buffer(Readable.from(checkedArchive(broken, rules)))).rejects.toThrow('went away');
});

function link(name: string, linkname: string): Entry {
  // An empty target would be read as one that follows.
  return { name, type: 'symlink', ...(linkname && { linkname }) };
}

function hard(name: string, linkname: string): Entry {
  return { name, type: 'link', linkname };
}
