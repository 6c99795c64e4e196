import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  type ElicitRequest,
  ElicitRequestSchema,
  type ElicitResult,
} from '@modelcontextprotocol/sdk/types.js';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const ASKING = { prompt: 'x', agent_id: 'a', 'approval-policy': 'untrusted' };

/** The file that Codex asks to write, another one in each test. */
let file = '';
let tests = 0;
beforeEach(() => {
  tests += 1;
  file = `asked-${tests}.txt`;
});
const created = () => [{ file, action: 'create' }];

const asks: Script = ({ toolOutputs }) =>
  toolOutputs.length === 0 ? shell(`touch ${file}`) : text(toolOutputs.join() || 'Done.');

/** One that asks of commands alone, one that asks of calls too, and one that waits a second. */
let server: TestServer;
let manual: TestServer;
let hasty: TestServer;
beforeAll(async () => {
  server = await start();
  manual = await start({ CODEX_APPROVAL_MODE: 'manual' });
  hasty = await start({ APPROVAL_TIMEOUT: '1' });
});
afterAll(async () => {
  for (const each of [server, manual, hasty]) await each?.[Symbol.asyncDispose]();
});

describe.each(['sse', 'http'] as const)('over %s, the person at the client', (transport) => {
  test('approves a call and a command of it', async () => {
    const asked: ElicitRequest['params'][] = [];
    await using client = await person(manual, transport, async ({ params }) => {
      asked.push(params);
      return { action: 'accept', content: { approve: true, reason: 'fine' } };
    });
    const { changed_files } = await call(client, 'codex', { ...ASKING, justification: 'Ticket 7' });
    expect(changed_files).toEqual(created());
    expect(asked.map(({ message }) => message)).toEqual([
      expect.stringMatching(/Risk: medium\.\ncodex: x\nWhy: Ticket 7/),
      expect.stringContaining(`Risk: medium.\nrun: touch ${file}`),
    ]);
    const { approvals } = await call(client, 'list_approvals');
    expect(approvals.slice(0, 2)).toMatchObject([
      { kind: 'command', state: 'approved', decisions: [{ by: 'local', reason: 'fine' }] },
      { kind: 'turn', state: 'approved' },
    ]);
  });

  test('declines', async () => {
    await using client = await person(server, transport, async () => ({ action: 'decline' }));
    const { changed_files, content } = await call(client, 'codex', ASKING);
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject/i)]);
  });

  test('says nothing: it is declined when its time is over', async () => {
    await using client = await person(hasty, transport, () => new Promise(() => undefined));
    expect((await call(client, 'codex', ASKING)).changed_files).toEqual([]);
  });

  test('closes the question, and another way decides', async () => {
    const closed = Promise.withResolvers<void>();
    await using client = await person(server, transport, async () => {
      closed.resolve();
      return { action: 'cancel' };
    });
    const running = call(client, 'codex', ASKING);
    await closed.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(created());
  });

  test('is asked no more once another way has decided', async () => {
    const asked = Promise.withResolvers<void>();
    const withdrawn = Promise.withResolvers<void>();
    // This client never withdraws the first question, whose id is 0.
    let first = true;
    await using client = await person(manual, transport, async (_request, { signal }) => {
      if (first) {
        first = false;
        return { action: 'accept', content: { approve: true } };
      }
      signal.addEventListener('abort', () => withdrawn.resolve());
      asked.resolve();
      return new Promise(() => undefined);
    });
    const running = call(client, 'codex', ASKING);
    await asked.promise;
    await decideBy(manual);
    expect((await running).changed_files).toEqual(created());
    await withdrawn.promise;
  });
});

describe('without a session, as of 2026-07-28, the person at the client', () => {
  test('approves a call and a command of it, in a round each', async () => {
    const asked: string[] = [];
    await using client = await modernPerson(manual, async (message) => {
      asked.push(message);
      return { action: 'accept', content: { approve: true, reason: 'fine' } };
    });
    const turns = async () => (await client.call('list_turns', {})).turns;
    const before = (await turns()).length;
    const { changed_files } = await client.call('codex', { ...ASKING, justification: 'Ticket 7' });
    expect(changed_files).toEqual(created());
    expect(asked).toEqual([
      expect.stringMatching(/Risk: medium\.\ncodex: x\nWhy: Ticket 7/),
      expect.stringContaining(`Risk: medium.\nrun: touch ${file}`),
    ]);
    const { approvals } = await client.call('list_approvals', {});
    expect(approvals.slice(0, 2)).toMatchObject([
      { kind: 'command', state: 'approved', decisions: [{ by: 'local', reason: 'fine' }] },
      { kind: 'turn', state: 'approved' },
    ]);
    expect(await turns()).toHaveLength(before + 1);
  });

  test('declines', async () => {
    await using client = await modernPerson(server, async () => ({ action: 'decline' }));
    const { changed_files, content } = await client.call('codex', ASKING);
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject/i)]);
  });

  test('closes the question, is not asked it again, and another way decides', async () => {
    let asked = 0;
    const closed = Promise.withResolvers<void>();
    await using client = await modernPerson(server, async () => {
      asked += 1;
      closed.resolve();
      return { action: 'cancel' };
    });
    const running = client.call('codex', ASKING);
    await closed.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(created());
    expect(asked).toBe(1);
  });

  test('says too late what another has decided, and has the result', async () => {
    await using client = await modernPerson(server, async () => {
      await decideBy(server);
      return { action: 'decline' };
    });
    expect((await client.call('codex', ASKING)).changed_files).toEqual(created());
  });

  test('is asked by wait_turn too', async () => {
    await using client = await modernPerson(server, async () => ({
      action: 'accept',
      content: { approve: true },
    }));
    const { turn_id } = await client.call('codex', { ...ASKING, wait: false });
    const { state, result } = await client.call('wait_turn', { turn_id });
    expect([state, result.changed_files]).toEqual(['completed', created()]);
  });

  test('leaves, and what is asked of the call is over with it', async () => {
    const asked = Promise.withResolvers<void>();
    const leaving = new AbortController();
    await using client = await modernPerson(server, async () => {
      asked.resolve();
      return { action: 'cancel' };
    });
    const running = client.call('codex', ASKING, leaving.signal);
    await asked.promise;
    const turn = async () => (await client.call('list_turns', {})).turns[0];
    await expect.poll(async () => (await turn()).state).toBe('waiting_approval');
    leaving.abort();
    await expect(running).rejects.toThrow();
    await expect.poll(async () => (await turn()).state).toBe('interrupted');
  });
});

test('a requestState that no round gave is refused', async () => {
  await using server = await start();
  await using client = await modernPerson(server, async () => ({ action: 'cancel' }));
  for (const requestState of ['{', '{"asked":7}', `{"asked":[],"turnId":"none"}`]) {
    const { isError, content } = await client.raw('codex', ASKING, requestState);
    expect(isError).toBe(true);
    expect(content[0].text).toMatch(/^(invalid_input|turn_not_found): /);
  }
  expect((await client.call('list_turns', {})).turns).toEqual([]);
});

test('a client that can ask nobody does not hang', async () => {
  await using server = await start({ APPROVAL_TIMEOUT: '1', CODEX_APPROVAL_MODE: 'manual' });
  await using client = await connect(server);
  const running = call(client, 'codex', { prompt: 'x' });
  await expect(running).rejects.toThrow(/approval_expired: 0 of 1 approvals were given in time/);
});

test('with callers of their own nobody is asked about what they want themselves', async () => {
  const environment = { JWT_SECRET: SECRET, APPROVAL_TIMEOUT: '1' };
  await using server = await start(environment);
  for (const role of ['developer', 'admin']) {
    let asked = 0;
    const answer = async (): Promise<ElicitResult> => {
      asked += 1;
      return { action: 'accept', content: { approve: true } };
    };
    const token = await new SignJWT({ sub: 'ann', role })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET));
    await using client = await person(server, 'http', answer, token);
    expect((await call(client, 'codex', ASKING)).changed_files).toEqual([]);
    expect(asked).toBe(0);
  }
});

function start(environment: Record<string, string> = {}): Promise<TestServer> {
  return startTestServer({ runtime: 'process', script: asks, environment });
}

type Answer = (request: ElicitRequest, context: { signal: AbortSignal }) => Promise<ElicitResult>;

/** A client with somebody in front of it. */
async function person(
  server: TestServer,
  transport: 'sse' | 'http',
  answer: Answer,
  token?: string,
): Promise<Connection> {
  const client = new Client(
    { name: 'e2e', version: '1.0.0' },
    { capabilities: { elicitation: {} } },
  );
  client.setRequestHandler(ElicitRequestSchema, (request, context) => answer(request, context));
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const route = transport === 'sse' ? '/sse' : '/mcp';
  await client.connect(new Transport(new URL(server.url + route), { requestInit: { headers } }));
  return { client, progress: [], [Symbol.asyncDispose]: () => client.close() };
}

/** A client of the later era with somebody in front of it, who is asked by what calls are answered with. */
async function modernPerson(
  server: TestServer,
  answer: (message: string) => Promise<ElicitResult>,
) {
  const client = new ModernClient(
    { name: 'e2e', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {} } },
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => answer(params.message));
  await client.connect(new ModernTransport(new URL(`${server.url}/mcp`)));
  return {
    // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every tool
    async call(name: string, args: object, signal?: AbortSignal): Promise<any> {
      const options = signal ? { signal } : {};
      const result = await client.callTool({ name, arguments: { ...args } }, options);
      expect(result.isError).not.toBe(true);
      return result.structuredContent;
    },
    // biome-ignore lint/suspicious/noExplicitAny: as it is answered
    async raw(name: string, args: object, requestState: string): Promise<any> {
      const params = { name, arguments: { ...args }, requestState };
      return await client.callTool(params);
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** Approves the one thing that waits. */
async function decideBy(server: TestServer): Promise<void> {
  const url = `${server.url}/api/v1/approvals`;
  const response = await fetch(`${url}?state=pending`);
  const { approvals } = (await response.json()) as { approvals: { approval_id: string }[] };
  expect(approvals).toHaveLength(1);
  const body = JSON.stringify({ approve: true });
  const headers = { 'content-type': 'application/json' };
  const decided = await fetch(`${url}/${approvals[0]?.approval_id}`, {
    ...{ method: 'POST', headers, body },
  });
  expect(decided.status).toBe(200);
}
