import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { answerAnything } from '../../fakes/stand-in-model/script.ts';
import { call, connect, startTestServer } from '../test-server.ts';

test('a turn of the future, by a clock that was set back since, is taken up', async () => {
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-clock-'));
  onTestFinished(() => fs.rmSync(dataDir, { recursive: true, force: true }));
  const store = SqliteStore.open(dataDir);
  store.agents.put(newAgent('a'));
  store.turns.put({
    turnId: 'early',
    agentId: 'a',
    tool: 'plan',
    state: 'queued',
    request: { agentId: 'a', tool: 'plan', args: { task: 'x' } },
    createdAt: new Date(Date.now() + 365 * 86_400_000),
  });
  store.close();
  await using target = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    dataDir,
  });
  await using client = await connect(target);
  const ended = await call(client, 'wait_turn', { turn_id: 'early' });
  expect(ended).toMatchObject({ state: 'completed', error: null });
});
