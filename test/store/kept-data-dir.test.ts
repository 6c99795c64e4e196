import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { AuditReader } from '../../src/audit/audit-reader.ts';
import { verifyAudit } from '../../src/audit/verify-audit.ts';
import { call, connect, startTestServer } from '../e2e/test-server.ts';
import { obey } from '../fakes/stand-in-model/script.ts';

const KEPT = path.join(import.meta.dirname, 'kept-0.1.0', 'data-dir.tar.gz');
/** Of ann, who is a developer and an approver. */
const TOKEN = 'cmcp_ea6d35d41c4d_NpXCqkVb2cpyy8O_5XzE5cb0l_slBclAogb3v5HDMpY';

test('a DATA_DIR of 0.1.0 opens, and the turn that waited in it is finished', async () => {
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-kept-'));
  execFileSync('tar', ['-xzf', KEPT, '-C', dataDir, '--no-same-owner']);
  try {
    await using server = await startTestServer({ runtime: 'process', script: obey, dataDir });
    await using client = await connect(server, 'http', '', TOKEN);
    const { turns } = await call(client, 'list_turns');
    const [waiting, asking, earlier] = turns;
    expect(earlier).toMatchObject({ agent_id: 'kept', state: 'completed' });
    const { state, result } = await call(client, 'wait_turn', { turn_id: waiting.turn_id });
    expect({ state, files: result.changes.map(({ file }: { file: string }) => file) }).toEqual({
      state: 'completed',
      files: ['kept.txt'],
    });
    expect(fileOf(dataDir, 'kept')).toBe('of 0.1.0\nof today\n');
    const { approvals } = await call(client, 'list_approvals');
    expect(approvals).toMatchObject([{ turn_id: asking.turn_id, state: 'expired' }]);
    const { snapshots } = await call(client, 'list_snapshots');
    expect(snapshots).toMatchObject([{ agent_id: 'kept', label: 'of 0.1.0' }]);
    const { snapshot_id } = snapshots[0];
    const restored = await call(client, 'restore', { snapshot_id, agent_id: 'restored' });
    expect(restored).toMatchObject({ conversation: true });
    expect(fileOf(dataDir, 'restored')).toBe('of 0.1.0\n');
    await server.stop();
    using reader = new AuditReader(path.join(dataDir, 'audit.sqlite'));
    expect(verifyAudit(reader, [])).toMatchObject({ ok: true });
  } finally {
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
});

function fileOf(dataDir: string, name: string): string {
  const [file = ''] = fs.globSync(`agents/*${name}*/workspace/kept.txt`, { cwd: dataDir });
  return fs.readFileSync(path.join(dataDir, file), 'utf8');
}
