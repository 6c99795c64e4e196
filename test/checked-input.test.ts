import { expect, test } from 'vitest';
import { z } from 'zod';
import { checkedInput } from '../src/checked-input.ts';

const schema = z.strictObject({
  task: z.string(),
  target: z
    .union([
      z.literal('uncommitted'),
      z.strictObject({ turn_id: z.string() }),
      z.strictObject({ base: z.string(), head: z.string().optional() }),
    ])
    .optional(),
});
const wrong = (given: unknown) => () => checkedInput(schema, given, 'The call of review');

test('what fits is handed on', () => {
  const given = { task: 'Look', target: { base: 'main' } };
  expect(checkedInput(schema, given, 'The body')).toEqual(given);
});

test('each wrong field is named', () => {
  expect(wrong({ task: 3 })).toThrow('The call of review is wrong: task: Invalid input: expected');
  expect(wrong(undefined)).toThrow('task: Invalid input: expected string, received undefined');
});

test('of a value with several forms it says what each wants', () => {
  expect(wrong({ task: '', target: { turn: 'x' } })).toThrow(
    'target: none of its forms fits: expected "uncommitted"; or turn_id: expected string, ' +
      'received undefined and Unrecognized key: "turn"; or base: expected string',
  );
});

test('where a name is unknown it says which there are', () => {
  expect(wrong({ task: '', goal: '' })).toThrow(
    '(input): Unrecognized key: "goal" (known: task, target).',
  );
});
