import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { STAND_IN_USAGE } from '../fakes/stand-in-model/perform-step.ts';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { shell } from '../fakes/stand-in-model/step.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const COSTLY = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'prices-')), 'prices.json');
// A dollar for each token of an answer.
fs.writeFileSync(COSTLY, '{"gpt-5": {"input": 0, "cached_input": 0, "output": 1000000}}');

/** Asks for one command after another, without end. */
const endless: Script = async () => shell('true');

let server: TestServer;

beforeAll(async () => {
  const environment = { MONTHLY_BUDGET_LIMIT: '0', PRICES_FILE: COSTLY };
  server = await startTestServer({ runtime: 'process', script: answerAnything, environment });
});
beforeEach(() => server.model.setScript(answerAnything));
afterAll(() => server?.[Symbol.asyncDispose]());

test.each([
  ['TURN_TOKEN_LIMIT', 'turn', /budget_exceeded.*tokens of a turn: 2100 tokens of 2000/s],
  ['AGENT_TOKEN_LIMIT', 'month', /budget_exceeded.*tokens of this agent and month/s],
])('a turn over %s is ended in the middle of its work', async (setting, counted, refusal) => {
  // What the requests of other tests may have used.
  const used = server.model.requests.length * STAND_IN_USAGE.total_tokens;
  await server.restart({ [setting]: String(2000 + (counted === 'turn' ? 0 : used)) });
  server.model.setScript(endless);
  const asked = server.model.requests.length;
  await using client = await connect(server);
  const work = { task: 'Never stop', agent_id: 'spender' };
  await expect(call(client, 'implement', work)).rejects.toThrow(refusal);
  const { turns } = await call(client, 'list_turns', { agent_id: 'spender' });
  expect(turns[0]).toMatchObject({ state: 'interrupted', error_code: 'budget_exceeded' });
  expect(server.model.requests.length).toBeGreaterThan(asked + 1);
});

test('what is used up stays used up, over restarts, for this agent and not for others', async () => {
  await server.restart();
  {
    await using client = await connect(server);
    const { cost_usd, usage } = await call(client, 'plan', { task: 'x', agent_id: 'spender' });
    expect(cost_usd).toBe(usage.output_tokens);
  }
  await server.restart({ AGENT_TOKEN_LIMIT: '1' });
  await using client = await connect(server);
  const asked = server.model.requests.length;
  const again = call(client, 'plan', { task: 'x', agent_id: 'spender' });
  await expect(again).rejects.toThrow(/budget_exceeded/);
  expect(server.model.requests.length).toBe(asked);
  await call(client, 'plan', { task: 'x', agent_id: 'rich' });
});

test('an agent is called as often as the rate allows, and told when it may be again', async () => {
  await server.restart({ RATE_LIMIT_RPM: '2', REQUEST_LIMIT_RPM: '9' });
  const plan = (agent_id: string) =>
    fetch(`${server.url}/tools/plan`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ task: 'x', agent_id }),
    });
  const own = () => plan('spender');
  const answers = [await own(), await own(), await own(), await plan('rich')];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200]);
  const refused = answers[2];
  expect(await refused?.json()).toMatchObject({ error: { code: 'rate_limited', limit: 2 } });
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused?.headers.get('ratelimit-limit')).toBe('9');

  const remaining = answers.map(({ headers }) => headers.get('ratelimit-remaining'));
  expect(remaining).toEqual(['8', '7', '6', '5']);
  const looks = [];
  for (let look = 0; look < 7; look += 1) looks.push(await fetch(`${server.url}/tools`));
  expect(looks.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429]);
  expect(looks.at(-1)?.headers.get('retry-after')).toBe(
    looks.at(-1)?.headers.get('ratelimit-reset'),
  );
  expect((await fetch(`${server.url}/ping`)).status).toBe(200);
});
