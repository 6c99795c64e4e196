import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: Connection;

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { INSTRUCTIONS_MAX_BYTES: '1000' },
  });
  client = await connect(server);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const configure = (agent_id: string, settings: object) =>
  call(client, 'configure_agent', { agent_id, ...settings });
const chat = (agent_id: string) => call(client, 'chat', { agent_id, message: 'Hello' });

/** What the model was sent last. */
function asked() {
  const { body } = server.model.requests.at(-1) ?? {};
  return { body, text: JSON.stringify(body) };
}

function count(words: string): number {
  return asked().text.split(words).length - 1;
}

describe('instructions of an agent', () => {
  test('are in a conversation from its beginning, and in no file of the agent', async () => {
    await configure('new', { instructions: 'Speak Esperanto.', base_instructions: 'You garden.' });
    await chat('new');
    expect(asked().text).toContain('Speak Esperanto.');
    expect(asked().text).toContain('You garden.');
    // What every agent is told, too.
    expect(asked().text).toContain('You work for other programs');
    await chat('new');
    expect([count('Speak Esperanto.'), count('You garden.')]).toEqual([1, 1]);
  });

  test('hold from the next turn on, and are withdrawn', async () => {
    const { session_id } = await chat('old');
    await configure('old', { instructions: 'Speak Latin.' });
    await chat('old');
    expect(asked().text).toContain('These take the place of all that were given above.');
    expect(count('Speak Latin.')).toBe(1);
    await chat('old');
    expect(count('Speak Latin.')).toBe(1);
    await configure('old', { base_instructions: 'You cook.', instructions: 'Speak Greek.' });
    await chat('old');
    expect([count('Speak Greek.'), count('You cook.')]).toEqual([1, 1]);
    await configure('old', { base_instructions: null, instructions: null });
    const last = await chat('old');
    expect(last.session_id).toBe(session_id);
    expect(count('You cook.')).toBe(0);
    expect(asked().text).toContain('The instructions for this agent were withdrawn');
  });

  test('hold in conversations that callers began', async () => {
    const { threadId } = await call(client, 'codex', {
      agent_id: 'old',
      prompt: 'Hello',
      'developer-instructions': 'Be brief.',
      'base-instructions': 'You sing.',
    });
    await configure('old', { instructions: 'Speak Norse.', base_instructions: 'You cook.' });
    for (const times of [1, 1]) {
      await call(client, 'codex-reply', { agent_id: 'old', prompt: 'And?', threadId });
      expect(count('Speak Norse.')).toBe(times);
    }
    // A conversation has its own first.
    expect([count('You sing.'), count('You cook.')]).toEqual([1, 0]);
    await call(client, 'codex', { agent_id: 'old', prompt: 'Hello', config: {} });
    expect([count('Speak Norse.'), count('You cook.')]).toEqual([1, 1]);
  });

  test('go over to a fork, which has heard them', async () => {
    await configure('new', { instructions: 'Speak Welsh.' });
    await chat('new');
    await call(client, 'fork_agent', { agent_id: 'new', new_agent_id: 'fork' });
    await chat('fork');
    expect(count('Speak Welsh.')).toBe(1);
    await configure('new', { instructions: 'Speak Irish.' });
    await chat('fork');
    expect([count('Speak Welsh.'), count('Speak Irish.')]).toEqual([1, 0]);
  });

  test('outlive the server, and are told once', async () => {
    await chat('old');
    await configure('old', { instructions: 'Speak Basque.', model: 'gpt-5.5' });
    await chat('old');
    await client[Symbol.asyncDispose]();
    await server.restart();
    client = await connect(server);
    await chat('old');
    expect(count('Speak Basque.')).toBe(1);
    expect(asked().body).toMatchObject({ model: 'gpt-5.5' });
    await client[Symbol.asyncDispose]();
    await server.restart();
    client = await connect(server);
    // Codex ran on meanwhile, and has the conversation as it was.
    await configure('old', { instructions: 'Speak Breton.', base_instructions: 'You sail.' });
    await chat('old');
    expect([count('Speak Breton.'), count('You sail.')]).toEqual([1, 1]);
  });
});

test('model and effort are those of turns that name none', async () => {
  await configure('old', { model: 'gpt-5.5', reasoning_effort: 'high' });
  await chat('old');
  expect(asked().body).toMatchObject({ model: 'gpt-5.5', reasoning: { effort: 'high' } });
  await call(client, 'chat', { agent_id: 'old', message: 'x', reasoning_effort: 'low' });
  expect(asked().body).toMatchObject({ model: 'gpt-5.5', reasoning: { effort: 'low' } });
  const config = { model: 'gpt-5.4' };
  await call(client, 'codex', { agent_id: 'old', prompt: 'x', config });
  expect(asked().body).toMatchObject({ model: 'gpt-5.4', reasoning: { effort: 'high' } });
});

test('what holds is shown, over REST too', async () => {
  const url = `${server.url}/api/v1/agents/shown/settings`;
  expect((await fetch(url)).status).toBe(404);
  const patch = (body: object) =>
    fetch(url, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const changed = await patch({ instructions: 'Be brief.', reasoning_effort: 'low' });
  const settings = {
    instructions: 'Be brief.',
    base_instructions: null,
    model: null,
    reasoning_effort: 'low',
    mcp_servers: [],
  };
  expect(await changed.json()).toEqual({ agent_id: 'shown', ...settings });
  const info = () => call(client, 'get_my_session_info', { agent_id: 'shown' });
  expect((await info()).in_force).toMatchObject({
    ...settings,
    model: server.config.CODEX_MODEL,
    skills: null,
    instruction_files: null,
  });
  await chat('shown');
  const { in_force } = await info();
  expect(in_force.instruction_files).toEqual([]);
  expect(in_force.skills).toContainEqual(
    expect.objectContaining({ name: 'skill-creator', source: 'system' }),
  );
  expect((await patch({ reasoning_effort: null })).status).toBe(200);
  expect(await (await fetch(url)).json()).toMatchObject({ reasoning_effort: null });
  expect((await patch({ sandbox: 'danger-full-access' })).status).toBe(400);
});

test('what cannot be is refused, and nothing is changed', async () => {
  await configure('bad', { instructions: 'Stay.' });
  const wrong: [object, string][] = [
    [{ instructions: 'x'.repeat(1001) }, '1001 bytes, and INSTRUCTIONS_MAX_BYTES allows 1000'],
    [{ base_instructions: 'ü'.repeat(501) }, '1002 bytes'],
    [{ mcp_servers: ['nope'] }, 'this server has no MCP server "nope", only: none'],
    [{ instructions: '' }, 'instructions'],
    [{ reasoning_effort: 'banana' }, 'reasoning_effort'],
    [{ approval_policy: 'never' }, 'approval_policy'],
  ];
  for (const [settings, problem] of wrong) {
    const refused = configure('bad', settings);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(refused).rejects.toThrow(problem);
  }
  expect(await configure('bad', {})).toMatchObject({ instructions: 'Stay.' });
});
