import fc from 'fast-check';

/** Texts that have broken parsers before. */
const NOTORIOUS_TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\r\nX-Injected: 1',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  '%00',
  '%',
  '\ud800',
  '\u202e',
  '\ufeff',
  '💥',
  'null',
  'undefined',
  'NaN',
  '-0',
  '1e309',
  '"; DROP TABLE agents; --',
  "' OR 1=1 --",
  '$(id)',
  '{{7*7}}',
  'x'.repeat(300),
  'é'.repeat(5000),
];

export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...NOTORIOUS_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 200 }),
);

const oddNumber = fc.oneof(
  fc.constantFrom(0, -1, 1, 0.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, -1e-300, 1e21),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

/** Any JSON, and often one that is not expected. */
export const oddJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: oddText },
  { weight: 2, arbitrary: oddNumber },
  fc.constantFrom(null, true, false, [], {}, [[]], [null], { a: { b: [] } }),
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(oddText, fc.oneof(oddText, oddNumber), { maxKeys: 4 }),
  fc.nat(200).map((depth) => nested(depth)),
  fc.constant(Array.from({ length: 500 }, (_, index) => index)),
);

type Change = { at: number; how: 'replace' | 'remove' | 'add'; key: string; value: unknown };

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(1000),
  how: fc.constantFrom('replace', 'replace', 'remove', 'add'),
  key: oddText,
  value: oddJson,
});

/** A value that is nearly right: with none to three places of it replaced, removed or added to. */
export function nearly(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(values, fc.oneof(fc.constant([]), fc.array(change, { maxLength: 3 })))
    .map(([value, changes]) => changes.reduce(changed, value));
}

function changed(value: unknown, { at, how, key, value: other }: Change): unknown {
  const places = placesOf(value);
  const place = places[at % places.length] ?? [];
  return put(value, place, (old) => {
    if (how === 'replace') return other;
    if (how === 'remove') return undefined;
    return isObject(old) && !Array.isArray(old) ? withKey(old, key, other) : [old, other];
  });
}

function placesOf(value: unknown, at: string[] = []): string[][] {
  if (!isObject(value) || at.length > 6) return [at];
  const within = Object.keys(value).slice(0, 20);
  return [at, ...within.flatMap((key) => placesOf(Reflect.get(value, key), [...at, key]))];
}

function put(value: unknown, [key, ...rest]: string[], to: (old: unknown) => unknown): unknown {
  if (key === undefined) return to(value);
  if (!isObject(value)) return value;
  const inner = put(Reflect.get(value, key), rest, to);
  if (Array.isArray(value)) return value.map((item, index) => (`${index}` === key ? inner : item));
  return withKey(value, key, inner);
}

/** Also for keys such as `__proto__`, which then is one like others. */
function withKey(value: object, key: string, inner: unknown): object {
  const entries = Object.entries(value).filter(([name]) => name !== key);
  return Object.fromEntries([...entries, [key, inner]]);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < depth; level += 1) value = level % 2 ? [value] : { a: value };
  return value;
}
