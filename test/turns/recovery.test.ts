import { expect, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { call, connect, startTestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';

test('a turn of a tool that this server does not have ends, and the next one is recovered', async () => {
  await using server = await startTestServer({ runtime: 'process', script: answerAnything });
  await server.stop();
  const store = SqliteStore.open(server.dataDir);
  store.agents.put(newAgent('a'));
  for (const tool of ['retired', 'chat']) {
    const request = { agentId: 'a', tool, args: { message: 'hi' } };
    const createdAt = new Date();
    store.turns.put({ turnId: tool, agentId: 'a', tool, state: 'queued', request, createdAt });
  }
  store.close();
  await server.restart();
  await using client = await connect(server);
  const wait = (turn_id: string) => call(client, 'wait_turn', { turn_id });
  expect(await wait('retired')).toMatchObject({
    state: 'failed',
    error: { code: 'unknown_tool' },
  });
  expect(await wait('chat')).toMatchObject({ state: 'completed' });
});
