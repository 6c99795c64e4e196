import fc from 'fast-check';
import { oddText } from './odd-values.ts';

type Schema = { [keyword: string]: unknown };

/** Values of the kind that a JSON schema describes: mostly valid, though patterns are not looked at. */
export function valuesOf(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return fc.oneof(...choices.map((choice) => valuesOf(choice, name)));
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  switch (schema.type) {
    case 'object':
      return objectsOf(schema);
    case 'array':
      return fc.array(valuesOf(Object(schema.items)), { maxLength: 3 });
    case 'integer':
    case 'number':
      return numbersOf(schema, name);
    case 'boolean':
      return fc.boolean();
    default:
      return fc.oneof(fc.constantFrom('one', 'a/b.ts', 'codex', 'https://example.com'), oddText);
  }
}

function objectsOf({ properties, required }: Schema): fc.Arbitrary<unknown> {
  const entries = Object.entries(Object(properties) as Record<string, Schema>);
  const model = Object.fromEntries(entries.map(([key, inner]) => [key, valuesOf(inner, key)]));
  return fc.record(model, { requiredKeys: Array.isArray(required) ? required : [] });
}

/** Nobody shall wait long for what does not come. */
function numbersOf({ minimum, maximum }: Schema, name: string): fc.Arbitrary<number> {
  const min = Number(minimum ?? 0);
  if (/second|timeout/.test(name)) return fc.integer({ min, max: Math.max(min, 1) });
  return fc.integer({ min, max: Math.min(Number(maximum ?? 1000), 1e9) });
}
