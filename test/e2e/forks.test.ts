import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { obey } from '../fakes/stand-in-model/script.ts';
import { CHEAPEST, RUNTIMES } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
  test('a fork goes on alone from the files and the conversation', async () => {
    await using server = await startTestServer({ runtime, script: obey });
    await using client = await connect(server);
    const implement = (agent_id: string, command: string) =>
      call(client, 'implement', { agent_id, task: `run:${command}` });
    const first = await implement('one', 'echo first > a.txt; echo built > ignored; git add a.txt');
    const fork = await call(client, 'fork_agent', { agent_id: 'one', new_agent_id: 'two' });
    expect(fork).toEqual({ agent_id: 'two', forked_from: 'one' });

    const inFork = await implement('two', 'cat ignored >> a.txt; git status --porcelain > status');
    expect(inFork.session_id).not.toBe(first.session_id);
    expect(inFork.changes).toMatchObject([
      { file: 'a.txt', diff: expect.stringContaining('+built') },
      { file: 'status', diff: expect.stringContaining('+AM a.txt') },
    ]);
    const asked = JSON.stringify(server.model.requests.at(-1));
    expect(asked).toContain('echo first > a.txt');

    const again = await implement('one', 'cat a.txt > b.txt');
    expect(again.session_id).toBe(first.session_id);
    expect(again.changes).toMatchObject([
      { file: 'b.txt', diff: expect.stringMatching(/\+first\n$/) },
    ]);
    // Woken again, it is where it was.
    await server.restart();
    await using later = await connect(server);
    expect(await call(later, 'chat', { agent_id: 'two', message: 'hi' })).toMatchObject({
      session_id: inFork.session_id,
    });
  });
});

describe.each(CHEAPEST)('forks in the $runtime runtime', ({ runtime }) => {
  let server: TestServer;
  let client: Connection;
  beforeAll(async () => {
    server = await startTestServer({ runtime, script: obey });
    client = await connect(server);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('a fork of a fork, and of an agent that never had a turn, while both are stopped', async () => {
    await call(client, 'implement', { agent_id: 'one', task: 'run:echo first > a.txt' });
    await call(client, 'cleanup_inactive_agents', { agent_id: 'one' });
    await call(client, 'fork_agent', { agent_id: 'one', new_agent_id: 'two' });
    const { agent_id } = await call(client, 'fork_agent', { agent_id: 'two' });
    // Neither was started for it.
    for (const source of ['one', 'two']) {
      const status = await call(client, 'get_agent_status', { agent_id: source });
      expect(status).toMatchObject({ status: 'stopped' });
    }
    expect(agent_id).toMatch(/^two-fork-[0-9a-f]{8}$/);
    const grandchild = await call(client, 'implement', {
      agent_id,
      task: 'run:cat a.txt > b.txt',
    });
    expect(grandchild.changes).toMatchObject([{ file: 'b.txt' }]);
    const gone = await call(client, 'cleanup_inactive_agents', { agent_id, remove: true });
    expect(gone).toMatchObject({ agents: [{ agent_id, outcome: 'removed' }], total: 1 });
    const { sessions } = await call(client, 'list_sessions');
    const names = sessions.map((each: { agent_id: string }) => each.agent_id);
    expect(names).toEqual(expect.arrayContaining(['one', 'two']));
    expect(names).not.toContain(agent_id);
    expect(JSON.stringify(server.model.requests.at(-1))).toContain('echo first > a.txt');
  });

  test('what is there, at work or unknown is told apart', async () => {
    await call(client, 'chat', { agent_id: 'one', message: 'hi' });
    const fork = (args: object) => call(client, 'fork_agent', { agent_id: 'one', ...args });
    await expect(fork({ new_agent_id: 'one' })).rejects.toMatchObject({ code: 'agent_exists' });
    await expect(fork({ agent_id: 'nobody' })).rejects.toMatchObject({ code: 'agent_not_found' });
    const forks = await Promise.allSettled([
      fork({ new_agent_id: 'x' }),
      fork({ new_agent_id: 'x' }),
    ]);
    expect(forks.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const work = call(client, 'implement', { agent_id: 'one', task: 'run:sleep 2' });
    await expect
      .poll(() => call(client, 'get_agent_status', { agent_id: 'one' }))
      .toMatchObject({
        status: 'busy',
      });
    await expect(fork({ new_agent_id: 'y' })).rejects.toMatchObject({ code: 'agent_busy' });
    await work;
  });
});
