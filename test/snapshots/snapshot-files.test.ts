import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SnapshotFiles } from '../../src/snapshots/snapshot-files.ts';

let dataDir = '';
beforeEach(() => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-snapshots-'));
});
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }));

const left = () => fs.readdirSync(path.join(dataDir, 'snapshots'));

function filesWith(reserveBytes = 0): SnapshotFiles {
  const files = new SnapshotFiles({ dataDir, reserveBytes });
  files.clear(new Set());
  return files;
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test('a file is told as it is, and is read back', async () => {
  const files = filesWith();
  const id = randomUUID();
  const { bytes, sha256 } = await files.write(id, pieces('one', 'two'));
  const content = await buffer(await files.open(id));
  expect(content.length).toBe(bytes);
  expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
  expect(gunzipSync(content).toString()).toBe('onetwo');
  files.remove(id);
  await expect(files.open(id)).rejects.toMatchObject({ code: 'snapshot_not_found' });
});

test('a source that fails in the middle leaves nothing', async () => {
  const files = filesWith();
  async function* failing() {
    yield Buffer.from('x');
    throw new Error('the container died');
  }
  await expect(files.write(randomUUID(), failing())).rejects.toThrow('the container died');
  expect(left()).toEqual([]);
});

test('the reserve of the disk is looked at before and meanwhile', async () => {
  const { bavail, bsize } = fs.statfsSync(dataDir);
  const tooMuch = filesWith(bavail * bsize * 2);
  await expect(tooMuch.write(randomUUID(), pieces('x'))).rejects.toMatchObject({
    code: 'storage_full',
  });
  // The disk fills while it is written.
  const files = filesWith(bavail * bsize - 24 * 1024 * 1024);
  async function* endless() {
    for (;;) yield Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
  }
  await expect(files.write(randomUUID(), endless())).rejects.toMatchObject({
    code: 'storage_full',
  });
  expect(left()).toEqual([]);
});

test('a start removes halves and what nobody knows, and nothing else', async () => {
  const [known, unknown] = [randomUUID(), randomUUID()];
  const files = filesWith();
  await files.write(known, pieces('x'));
  await files.write(unknown, pieces('x'));
  const place = (name: string) => path.join(dataDir, 'snapshots', name);
  fs.writeFileSync(place(`${randomUUID()}.tar.gz.part`), 'half');
  fs.writeFileSync(place('README'), 'mine');
  files.clear(new Set([known]));
  expect(left().sort()).toEqual([`${known}.tar.gz`, 'README'].sort());
});
