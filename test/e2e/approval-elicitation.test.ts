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
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const ASKING = { agent_id: 'a', 'approval-policy': 'untrusted' };
const AGREED: ElicitResult = { action: 'accept', content: { approve: true, reason: 'fine' } };
/** What a person is asked who makes a call on a server with CODEX_APPROVAL_MODE=manual. */
const ABOUT_CALL = /Risk: medium\.\ncodex: /;

/** Runs the command that is the prompt. */
const asks: Script = ({ prompt, toolOutputs }) =>
  toolOutputs.length === 0 ? shell(prompt) : text(toolOutputs.join() || 'Done.');

const creates = (file: string) => ({ ...ASKING, prompt: `touch ${file}` });
const created = (file: string) => [{ file, action: 'create' }];

let server: TestServer;

beforeAll(async () => {
  server = await start({ CODEX_APPROVAL_MODE: 'manual' });
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe.each(['sse', 'http'] as const)('over %s, the person at the client', (transport) => {
  test('approves a call and a command of it', async () => {
    const asked: string[] = [];
    await using client = await person(server, transport, async ({ params }) => {
      asked.push(params.message);
      return AGREED;
    });
    const args = { ...creates(transport), justification: 'Ticket 7' };
    const { changed_files, turn_id } = await call(client, 'codex', args);
    expect(changed_files).toEqual(created(transport));
    expectBothAsked(asked, transport);
    expectBothApproved((await call(client, 'list_approvals')).approvals, turn_id);
  });

  test('is asked no more once another way has decided', async () => {
    const asked = Promise.withResolvers<void>();
    const withdrawn = Promise.withResolvers<void>();
    // This client never withdraws the first question, whose id is 0.
    await using client = await person(
      server,
      transport,
      aboutCommands(async (_request, { signal }) => {
        signal.addEventListener('abort', () => withdrawn.resolve());
        asked.resolve();
        return new Promise(() => undefined);
      }),
    );
    const file = `decided-${transport}`;
    const running = call(client, 'codex', creates(file));
    await asked.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(created(file));
    await withdrawn.promise;
  });
});

describe('the person at the client', () => {
  test('declines a command', async () => {
    const declines = aboutCommands(async () => ({ action: 'decline' }));
    await using client = await person(server, 'sse', declines);
    const { changed_files, content } = await call(client, 'codex', creates('declined'));
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject/i)]);
  });

  test('closes the question, and another way decides', async () => {
    const closed = Promise.withResolvers<void>();
    const closes = aboutCommands(async () => {
      closed.resolve();
      return { action: 'cancel' };
    });
    await using client = await person(server, 'http', closes);
    const running = call(client, 'codex', creates('closed'));
    await closed.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(created('closed'));
  });
});

describe('without a session, as of 2026-07-28, the person at the client', () => {
  test('approves a call and a command of it, in a round each', async () => {
    const asked: string[] = [];
    await using client = await modernPerson(server, async (message) => {
      asked.push(message);
      return AGREED;
    });
    const turns = await turnsOf(client);
    const args = { ...creates('modern'), justification: 'Ticket 7' };
    const { changed_files, turn_id } = await client.call('codex', args);
    expect(changed_files).toEqual(created('modern'));
    expectBothAsked(asked, 'modern');
    expectBothApproved((await client.call('list_approvals', {})).approvals, turn_id);
    expect(await turnsOf(client)).toBe(turns + 1);
  });

  test('declines', async () => {
    const declines = onlyCommands(async () => ({ action: 'decline' }));
    await using client = await modernPerson(server, declines);
    const { changed_files, content } = await client.call('codex', creates('declined'));
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject/i)]);
  });

  test('closes the question, is not asked it again, and another way decides', async () => {
    let asked = 0;
    const closed = Promise.withResolvers<void>();
    const closes = onlyCommands(async () => {
      asked += 1;
      closed.resolve();
      return { action: 'cancel' };
    });
    await using client = await modernPerson(server, closes);
    const running = client.call('codex', creates('modern-closed'));
    await closed.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(created('modern-closed'));
    expect(asked).toBe(1);
  });

  test('says too late what another has decided, and has the result', async () => {
    const late = onlyCommands(async () => {
      await decideBy(server);
      return { action: 'decline' };
    });
    await using client = await modernPerson(server, late);
    expect((await client.call('codex', creates('late'))).changed_files).toEqual(created('late'));
  });

  test('is asked by wait_turn too', async () => {
    await using client = await modernPerson(server, async () => AGREED);
    const { turn_id } = await client.call('codex', { ...creates('waited'), wait: false });
    const { state, result } = await client.call('wait_turn', { turn_id });
    expect([state, result.changed_files]).toEqual(['completed', created('waited')]);
  });

  test('leaves, and what is asked of the call is over with it', async () => {
    const asked = Promise.withResolvers<void>();
    const leaving = new AbortController();
    await using client = await modernPerson(server, async () => {
      asked.resolve();
      return { action: 'cancel' };
    });
    const running = client.call('codex', creates('left'), leaving.signal);
    await asked.promise;
    const state = async () => (await client.call('list_turns', {})).turns[0].state;
    await expect.poll(state).toBe('waiting_approval');
    leaving.abort();
    await expect(running).rejects.toThrow();
    await expect.poll(state).toBe('interrupted');
  });

  test('comes with a requestState that no round gave, and is refused', async () => {
    await using client = await modernPerson(server, async () => ({ action: 'cancel' }));
    const turns = await turnsOf(client);
    for (const requestState of ['{', '{"asked":7}', `{"asked":[],"turnId":"none"}`]) {
      const { isError, content } = await client.raw('codex', creates('never'), requestState);
      expect(isError).toBe(true);
      expect(content[0].text).toMatch(/^(invalid_input|turn_not_found): /);
    }
    expect(await turnsOf(client)).toBe(turns);
  });
});

test('a call does not hang on who says nothing, nor where nobody can be asked', async () => {
  await using hasty = await start({ APPROVAL_TIMEOUT: '1', CODEX_APPROVAL_MODE: 'manual' });
  await using silent = await person(hasty, 'sse', () => new Promise(() => undefined));
  await using nobody = await connect(hasty);
  for (const client of [silent, nobody]) {
    const running = call(client, 'codex', creates('never'));
    await expect(running).rejects.toThrow(/approval_expired: 0 of 1 approvals were given in time/);
  }
});

test('with callers of their own nobody is asked about what they want themselves, and gets a no', async () => {
  await using owned = await start({ JWT_SECRET: SECRET, APPROVAL_TIMEOUT: '1' });
  for (const role of ['developer', 'admin']) {
    let asked = 0;
    const answer = async (): Promise<ElicitResult> => {
      asked += 1;
      return AGREED;
    };
    const token = await new SignJWT({ sub: 'ann', role })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET));
    await using client = await person(owned, 'http', answer, token);
    const { changed_files, content } = await call(client, 'codex', creates('own'));
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject|declin/i)]);
    expect(asked).toBe(0);
  }
});

function start(environment: Record<string, string>): Promise<TestServer> {
  return startTestServer({ runtime: 'process', script: asks, environment });
}

function expectBothAsked(asked: string[], file: string): void {
  expect(asked).toEqual([
    expect.stringMatching(`Risk: medium\\.\ncodex: touch ${file}\nWhy: Ticket 7`),
    expect.stringMatching(`Risk: medium\\.\nrun: touch ${file}`),
  ]);
}

function expectBothApproved(approvals: { turn_id: string }[], turnId: string): void {
  expect(approvals.filter(({ turn_id }) => turn_id === turnId)).toMatchObject([
    { kind: 'command', state: 'approved', decisions: [{ by: 'local', reason: 'fine' }] },
    { kind: 'turn', state: 'approved' },
  ]);
}

async function turnsOf(client: Awaited<ReturnType<typeof modernPerson>>): Promise<number> {
  return (await client.call('list_turns', {})).turns.length;
}

/** Agrees to every call, and answers this about its commands. */
function aboutCommands(answer: Answer): Answer {
  return async (request, context) =>
    ABOUT_CALL.test(request.params.message) ? AGREED : answer(request, context);
}

function onlyCommands(answer: () => Promise<ElicitResult>) {
  return async (message: string) => (ABOUT_CALL.test(message) ? AGREED : answer());
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
