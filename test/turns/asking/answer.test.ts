import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  fixOutput,
  implementOutput,
  planOutput,
  reviewOutput,
} from '../../../src/tools/work/output-schemas.ts';
import { answerSchema, parseAnswer } from '../../../src/turns/asking/answer.ts';

const answer = z.object({ count: z.number().int() });

test('JSON of the asked form is taken, in a code fence too', () => {
  expect(parseAnswer('{"count":1}', answer)).toEqual({ ok: true, value: { count: 1 } });
  expect(parseAnswer('```json\n{"count":2}\n```\n', answer)).toMatchObject({ value: { count: 2 } });
});

test('anything else is refused with the problem', () => {
  expect(parseAnswer('one', answer)).toEqual({ ok: false, problems: 'It is not JSON.' });
  expect(parseAnswer('', answer).ok).toBe(false);
  expect(parseAnswer('{"count":"1"}', answer)).toMatchObject({
    ok: false,
    problems: expect.stringContaining('count'),
  });
});

test('of a message that has no end the beginning is text, and none of it is JSON', () => {
  const endless = `{"count":1}${' '.repeat(1024 * 1024)}`;
  expect(parseAnswer(endless, answer)).toEqual({
    ok: false,
    problems: 'It has 1048587 characters; at most 1048576 are read.',
  });
  const text = parseAnswer(endless, z.string());
  expect(text.ok && text.value.length).toBe(1048576);
});

// The Responses API takes only schemas whose objects are closed and whose keys are all required.
test.each(Object.entries({ planOutput, implementOutput, reviewOutput, fixOutput }))(
  '%s is in the strict subset of the Responses API',
  (_name, schema) => {
    const objects: Record<string, unknown>[] = [];
    collectObjects(answerSchema(schema), objects);
    expect(objects.length).toBeGreaterThan(0);
    for (const object of objects) {
      expect(object.additionalProperties).toBe(false);
      expect(object.required).toEqual(Object.keys(object.properties as object));
    }
  },
);

function collectObjects(value: unknown, found: Record<string, unknown>[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value) && 'properties' in value) found.push(value as Record<string, unknown>);
  for (const inner of Object.values(value)) collectObjects(inner, found);
}
