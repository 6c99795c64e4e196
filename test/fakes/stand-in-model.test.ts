import { expect, test } from 'vitest';
import { fillSchema } from './stand-in-model/fill-schema.ts';
import { answerAnything } from './stand-in-model/script.ts';
import { startStandInModel } from './stand-in-model/stand-in-model.ts';
import { text } from './stand-in-model/step.ts';

test('words come one after the other', async () => {
  await using standIn = await startStandInModel({
    script: () => text('one two three', { chunkDelayMs: 100 }),
  });
  const response = await ask(standIn.url);
  const first = await response.body?.getReader().read();
  expect(Buffer.from(first?.value ?? []).toString()).not.toContain('three');
});

test('a wrong key is refused', async () => {
  await using standIn = await startStandInModel({ apiKey: 'sk-right', script: answerAnything });
  expect((await ask(standIn.url, 'sk-wrong')).status).toBe(401);
  expect((await ask(standIn.url, 'sk-right')).status).toBe(200);
});

test('a schema is filled with its smallest value', () => {
  const schema = {
    $defs: { name: { type: 'string' } },
    type: 'object',
    required: ['name', 'level', 'list', 'count', 'maybe', 'sure'],
    properties: {
      name: { $ref: '#/$defs/name' },
      level: { enum: ['low', 'high'] },
      list: { type: 'array', items: { type: 'number', minimum: 3 }, minItems: 2 },
      count: { type: 'integer' },
      maybe: { anyOf: [{ type: 'null' }, { type: 'string' }] },
      sure: { type: ['boolean', 'null'] },
      optional: { type: 'string' },
    },
  };
  expect(fillSchema(schema)).toEqual({
    name: 'text',
    level: 'low',
    list: [3, 3],
    count: 0,
    maybe: null,
    sure: false,
  });
});

function ask(url: string, key = 'key'): Promise<Response> {
  return fetch(`${url}/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ input: [] }),
  });
}
