import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readHead } from '../../src/audit/audit-head.ts';
import { freshDirectory, openLog, verify } from './audit-rig.ts';

test('a killed server leaves a chain that holds, and loses no more than the last moment', async () => {
  const directory = freshDirectory();
  for (let round = 1; round <= 3; round += 1) {
    const writer = startWriter(directory);
    await once(writer.child.stdout, 'data');
    await sleep(300 + 250 * round);
    // What was said by then has had the time of many batches, on a busy machine too.
    const said = writer.said();
    await sleep(1000);
    const earlier = round === 1 ? 0 : verify(directory).records;
    await writer.kill();
    const { ok, records } = verify(directory);
    expect(ok).toBe(true);
    expect(records).toBeGreaterThanOrEqual(earlier);
    expect(records).toBeGreaterThanOrEqual(said);
  }
  const { records } = verify(directory);
  const log = openLog(directory);
  log.append({ type: 'server_started' });
  log.close();
  expect(verify(directory)).toMatchObject({ ok: true, records: records + 1 });
});

test('others read the whole chain while it grows', async () => {
  const directory = freshDirectory();
  const writer = startWriter(directory);
  await expect.poll(() => readHead(directory)?.seq ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
  const seen: number[] = [];
  for (let round = 0; round < 30; round += 1) {
    const { ok, records } = verify(directory);
    expect(ok).toBe(true);
    seen.push(records);
    await sleep(50);
  }
  expect(seen.at(-1)).toBeGreaterThan(seen[0] ?? 0);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  await writer.kill();
});

function startWriter(directory: string) {
  const program = fileURLToPath(new URL('./appender.ts', import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [program, directory]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const exited = once(child, 'exit');
  return {
    child,
    /** How many it has appended. */
    said: () => Number(output.trim().split('\n').at(-1)),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
