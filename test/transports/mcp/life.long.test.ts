import { expect, test } from 'vitest';
import { heapUsed } from '../../machine/heap-used.ts';
import { startTestServer, until } from '../http/test-server.ts';
import { CLIENTS } from './clients.ts';

test.each(CLIENTS)(
  '%s leaves nothing behind after hundreds of sessions',
  async (_name, open) => {
    await using server = await startTestServer({ MAX_MCP_SESSIONS: '500', MCP_SESSION_IDLE: '1' });
    const logged = (what: string) => server.logLines.filter((line) => line.includes(what)).length;
    const run = async (sessions: number) => {
      for (let count = 0; count < sessions; count += 1) {
        await using client = await open(server.url);
        await client.call('echo', { message: 'hi' });
      }
      await until(() => logged('MCP session closed') === logged('MCP session opened'));
      return heapUsed();
    };
    const before = await run(50);
    const after = await run(300);
    expect(after - before).toBeLessThan(5_000_000);
  },
  600_000,
);
