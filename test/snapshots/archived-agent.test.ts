import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { concatenated } from '../../src/snapshots/archive-layout.ts';
import { ArchivedAgent } from '../../src/snapshots/archived-agent.ts';
import { writeManifest } from '../../src/snapshots/manifest.ts';
import type { EntryHeader } from '../../src/workspaces/transfers/archive-rules.ts';
import { checkedArchive } from '../../src/workspaces/transfers/checked-archive.ts';

type Entry = EntryHeader & { content?: string };

const THREAD = '01a1ffd4-6b32-7352-9496-12e01abfab67';
const ROLLOUT = `sessions/2026/01/02/rollout-2026-01-02T03-04-05-${THREAD}.jsonl`;
const SETTINGS = { instructions: 'be brief', mcpServers: ['docs'] };
const MANIFEST: Entry = { name: 'manifest.json', content: manifest() };

function manifest(threadId: string | undefined = THREAD): string {
  const agent = { ...newAgent('a'), threadId, settings: SETTINGS, toldInstructions: 'mark' };
  return writeManifest(agent, { product: '1.0.0', codex: '2.0.0' });
}

function archiveOf(...entries: Entry[]): Readable {
  const packed = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) packed.entry(header).end(undefined);
    else packed.entry(header, content);
  }
  packed.finalize();
  return Readable.from(packed);
}

async function read(...entries: Entry[]) {
  const agent = new ArchivedAgent({ bytes: 1_000_000, entries: 50 });
  const found: Record<string, string> = {};
  const unpacked = extract();
  Readable.from(checkedArchive(archiveOf(...entries), agent))
    .on('error', (error) => unpacked.destroy(error))
    .pipe(unpacked);
  for await (const entry of unpacked) {
    const { name, linkname } = entry.header;
    const content = await buffer(entry as AsyncIterable<Buffer>);
    found[name] = linkname ? `-> ${linkname}` : content.toString();
  }
  return { agent, found };
}

test('the files go to the tree, the conversation gets an id of its own', async () => {
  const later = `{"mentions":"${THREAD}"}\n`;
  const { agent, found } = await read(
    MANIFEST,
    { name: 'sessions', type: 'directory' },
    { name: ROLLOUT, content: `{"id":"${THREAD}"}\n${later}` },
    { name: './workspace/', type: 'directory' },
    { name: './workspace/.git/HEAD', content: 'ref' },
    { name: 'workspace/hard', type: 'link', linkname: 'workspace/.git/HEAD' },
    { name: 'workspace/d/soft', type: 'symlink', linkname: '../hard' },
  );
  const { threadId } = agent;
  expect(threadId).not.toBe(THREAD);
  const { 'manifest.json': _, ...rest } = found;
  expect(rest).toEqual({
    [ROLLOUT.replace(THREAD, threadId)]: `{"id":"${threadId}"}\n${later}`,
    'tree/.git/HEAD': 'ref',
    'tree/hard': '-> tree/.git/HEAD',
    'tree/d/soft': '-> ../hard',
  });
  expect(agent.hasConversation).toBe(true);
  expect(agent.manifest).toEqual({
    ...{ agentName: 'a', threadId: THREAD, toldInstructions: 'mark', source: undefined },
    settings: SETTINGS,
  });
});

test('a conversation that is a fork comes with what it is a fork of, under other ids', async () => {
  const origin = THREAD.replace('01a1', '01a0');
  const quoted = String.raw`{"text":"\"forked_from_id\":\"${THREAD}\""}`;
  const { agent, found } = await read(
    MANIFEST,
    { name: ROLLOUT, content: `{"id":"${THREAD}","forked_from_id":"${origin}"}\nmore\n` },
    { name: ROLLOUT.replace(THREAD, origin), content: `{"id":"${origin}","x":${quoted}}` },
    { name: 'workspace/a', content: 'a' },
  );
  const [, own = '', earlier = ''] = Object.keys(found);
  expect(own).toBe(ROLLOUT.replace(THREAD, agent.threadId));
  const as = earlier.slice(-'.jsonl'.length - 36, -'.jsonl'.length);
  expect([THREAD, origin, agent.threadId]).not.toContain(as);
  expect(found[own]).toBe(`{"id":"${agent.threadId}","forked_from_id":"${as}"}\nmore\n`);
  expect(found[earlier]).toBe(`{"id":"${as}","x":${quoted}}`);
});

const bad: [string, Entry[]][] = [
  ['no manifest', [{ name: 'workspace/a', content: 'x' }]],
  ['a manifest that comes late', [{ name: 'workspace/a', content: 'x' }, MANIFEST]],
  ['a manifest that is a link', [{ name: 'manifest.json', type: 'symlink', linkname: 'x' }]],
  ['two manifests', [MANIFEST, MANIFEST]],
  ['no JSON', [{ name: 'manifest.json', content: '{' }]],
  ['another format', [{ name: 'manifest.json', content: manifest().replace('1,', '2,') }]],
  ['no UUID', [{ name: 'manifest.json', content: manifest().replace(THREAD, '../../x') }]],
  [
    'settings that are none',
    [{ name: 'manifest.json', content: manifest().replace('"be brief"', '7') }],
  ],
  ['other places', [MANIFEST, { name: 'home/.bashrc', content: 'x' }]],
  ['paths that lead up', [MANIFEST, { name: 'workspace/../../x', content: 'x' }]],
  ['absolute paths', [MANIFEST, { name: 'workspace//etc/passwd', content: 'x' }]],
  ['links out', [MANIFEST, { name: 'workspace/l', type: 'symlink', linkname: '../x' }]],
  ['hard links out', [MANIFEST, { name: 'workspace/l', type: 'link', linkname: 'manifest.json' }]],
  ['devices', [MANIFEST, { name: 'workspace/d', type: 'character-device' }]],
  ['another conversation', [MANIFEST, { name: ROLLOUT.replace('01a1', '01a2'), content: '{}' }]],
  [
    'two conversations',
    [
      MANIFEST,
      { name: ROLLOUT, content: '{}' },
      { name: ROLLOUT.replace('02/', '03/'), content: '' },
    ],
  ],
  ['other files of Codex', [MANIFEST, { name: 'sessions/config.toml', content: 'x' }]],
];

test.each(bad)('refused: %s', async (_name, entries) => {
  await expect(read(...entries)).rejects.toMatchObject({ code: 'archive_invalid' });
});

test('what is too much is refused', async () => {
  const large = { name: 'workspace/a', content: 'x'.repeat(1_000_001) };
  await expect(read(MANIFEST, large)).rejects.toMatchObject({ code: 'upload_too_large' });
});

test('archives that are joined are one', async () => {
  const parts = [
    archiveOf({ name: 'a', content: '1' }),
    archiveOf(),
    archiveOf({ name: 'b', content: '2' }),
  ];
  const names: string[] = [];
  const unpacked = extract();
  Readable.from(concatenated(parts)).pipe(unpacked);
  for await (const entry of unpacked) {
    names.push(entry.header.name);
    entry.resume();
  }
  expect(names).toEqual(['a', 'b']);
});
