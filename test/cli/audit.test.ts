import path from 'node:path';
import { expect, test } from 'vitest';
import { hashOf } from '../../src/audit/audit-record.ts';
import { canonicalJson } from '../../src/audit/canonical-json.ts';
import { freshDirectory, openLog, tamper, verify, writtenAudit } from '../audit/audit-rig.ts';
import { type Ended, run } from './audit-program.ts';

function lines({ stdout }: Ended): Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a whole chain is said to be whole', async () => {
  const directory = writtenAudit(7);
  expect(await run(directory, 'verify')).toMatchObject({
    code: 0,
    stdout: `Whole: 7 records, the last one 7:${verify(directory).last.hash}.\n`,
  });
});

test('a broken one is told with the first broken record', async () => {
  const directory = writtenAudit(7);
  const { hash } = verify(directory).last;
  tamper(directory, 'DELETE FROM records WHERE seq = 4');
  const { code, stdout } = await run(directory, 'verify');
  expect({ code, stdout }).toEqual({
    code: 1,
    stdout: 'Broken at record 4: The records 4 to 4 are missing.\n',
  });
  const report = await run(directory, 'verify', '--json');
  expect(report.code).toBe(1);
  expect(JSON.parse(report.stdout)).toMatchObject({ ok: false, problem: { seq: 4 } });
  // A copy of the file alone, and what a log says of its end.
  const other = writtenAudit(3);
  const file = path.join(other, 'audit.sqlite');
  expect((await run(directory, 'verify', '--file', file)).code).toBe(0);
  const told = await run(directory, 'verify', '--file', file, '--head', `7:${hash}`);
  expect(told).toMatchObject({ code: 1, stdout: expect.stringContaining('4 to 7 are missing') });
});

test('records are exported while a server writes, whole and in order', async () => {
  const directory = freshDirectory();
  const log = openLog(directory, { AUDIT_REQUIRED: true });
  log.append({
    type: 'login',
    principal: { id: 'ann', tenant: 'acme' },
    data: { a: 1, Z: [null] },
  });
  log.append({ type: 'call', agentId: 'one' });
  const exported = lines(await run(directory, 'export'));
  log.close();
  expect(exported.map(({ seq }) => seq)).toEqual([1, 2]);
  // How somebody else checks it.
  for (const { hash, ...record } of exported) expect(hashOf(canonicalJson(record))).toBe(hash);
  expect(exported[1]?.prevHash).toBe(exported[0]?.hash);
});

test('only the records that are asked for are exported', async () => {
  const directory = writtenAudit(9);
  const log = openLog(directory);
  log.append({ type: 'login', principal: { id: 'ann', tenant: 'acme' } });
  log.append({ type: 'egress', agentId: 'agent-1', principal: { id: 'ann', tenant: 'acme' } });
  log.close();
  const seqs = async (...args: string[]) =>
    lines(await run(directory, 'export', ...args)).map(({ seq }) => seq);
  expect(await seqs('--agent', 'agent-1')).toEqual([1, 4, 7, 11]);
  expect(await seqs('--principal', 'ann')).toEqual([10, 11]);
  expect(await seqs('--type', 'login', '--type', 'egress')).toEqual([10, 11]);
  expect(await seqs('--agent', 'agent-1', '--type', 'egress')).toEqual([11]);
  const now = new Date(Date.now() + 1000).toISOString();
  expect(await seqs('--to', now, '--agent', 'agent-2')).toEqual([2, 5, 8]);
  expect((await run(directory, 'export', '--from', now)).stdout).toBe('');
});

test('as CSV a record is a row that no spreadsheet calculates', async () => {
  const directory = freshDirectory();
  const log = openLog(directory);
  log.append({ type: 'login', principal: { id: '=1+1', tenant: 'a,"b' }, data: { text: 'x\ny' } });
  log.close();
  const { stdout } = await run(directory, 'export', '--format', 'csv');
  const [head, row] = stdout.split('\r\n');
  expect(head).toMatch(/^seq,at,type,principal,tenant,agentId,.*,data,prevHash,hash$/);
  expect(row).toMatch(
    /^1,[^,]+,login,'=1\+1,"a,""b",,,,,,,"\{""text"":""x\\ny""\}",0{64},[0-9a-f]{64}$/,
  );
});

test('what can not be done is said, with what is allowed', async () => {
  const directory = writtenAudit(1);
  const refused = [
    [2, 'not by "list"', 'list'],
    [2, '--type is "logins". Allowed: ', 'export', '--type', 'logins'],
    [2, '--from is "soon". Allowed: ', 'export', '--from', 'soon'],
    [2, '--head is "7". Allowed: ', 'verify', '--head', '7'],
    [1, "/nowhere/audit.sqlite can't be read", 'verify', '--file', '/nowhere/audit.sqlite'],
  ] as const;
  for (const [code, words, ...args] of refused) {
    const ended = await run(directory, ...args);
    expect(ended, args.join(' ')).toMatchObject({ code, stderr: expect.stringContaining(words) });
  }
  expect(await run(freshDirectory(), 'verify')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no readable audit.head'),
  });
});
