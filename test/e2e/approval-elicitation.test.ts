import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  type ElicitRequest,
  ElicitRequestSchema,
  type ElicitResult,
} from '@modelcontextprotocol/sdk/types.js';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const ASKING = { prompt: 'x', agent_id: 'a', 'approval-policy': 'untrusted' };
const CREATED = [{ file: 'asked.txt', action: 'create' }];

const asks: Script = ({ toolOutputs }) =>
  toolOutputs.length === 0 ? shell('touch asked.txt') : text(toolOutputs.join() || 'Done.');

describe.each(['sse', 'http'] as const)('over %s, the person at the client', (transport) => {
  test('approves a call and a command of it', async () => {
    await using server = await start({ CODEX_APPROVAL_MODE: 'manual' });
    const asked: ElicitRequest['params'][] = [];
    await using client = await person(server, transport, async ({ params }) => {
      asked.push(params);
      return { action: 'accept', content: { approve: true, reason: 'fine' } };
    });
    const { changed_files } = await call(client, 'codex', { ...ASKING, justification: 'Ticket 7' });
    expect(changed_files).toEqual(CREATED);
    expect(asked.map(({ message }) => message)).toEqual([
      expect.stringMatching(/Risk: medium\.\ncodex: x\nWhy: Ticket 7/),
      expect.stringMatching(/Risk: medium\.\nrun: touch asked.txt/),
    ]);
    const { approvals } = await call(client, 'list_approvals');
    expect(approvals).toMatchObject([
      { kind: 'command', state: 'approved', decisions: [{ by: 'local', reason: 'fine' }] },
      { kind: 'turn', state: 'approved' },
    ]);
  });

  test('declines', async () => {
    await using server = await start();
    await using client = await person(server, transport, async () => ({ action: 'decline' }));
    const { changed_files, content } = await call(client, 'codex', ASKING);
    expect([changed_files, content]).toEqual([[], expect.stringMatching(/reject/i)]);
  });

  test('says nothing: it is declined when its time is over', async () => {
    await using server = await start({ APPROVAL_TIMEOUT: '1' });
    await using client = await person(server, transport, () => new Promise(() => undefined));
    expect((await call(client, 'codex', ASKING)).changed_files).toEqual([]);
  });

  test('closes the question, and another way decides', async () => {
    await using server = await start();
    const closed = Promise.withResolvers<void>();
    await using client = await person(server, transport, async () => {
      closed.resolve();
      return { action: 'cancel' };
    });
    const running = call(client, 'codex', ASKING);
    await closed.promise;
    await decideBy(server);
    expect((await running).changed_files).toEqual(CREATED);
  });

  test('is asked no more once another way has decided', async () => {
    await using server = await start({ CODEX_APPROVAL_MODE: 'manual' });
    const asked = Promise.withResolvers<void>();
    const withdrawn = Promise.withResolvers<void>();
    // This client never withdraws the first question, whose id is 0.
    let first = true;
    await using client = await person(server, transport, async (_request, { signal }) => {
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
    await decideBy(server);
    expect((await running).changed_files).toEqual(CREATED);
    await withdrawn.promise;
  });
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
