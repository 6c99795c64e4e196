import { describe, expect, test } from 'vitest';
import type { CallerViews } from '../../src/callers/caller-views.ts';
import { allTools } from '../../src/tools/catalog.ts';
import { describeTool, type ToolDescription } from '../../src/tools/tool.ts';

const LONGEST_DESCRIPTION = 400;
const LONGEST_PARAMETER = 300;
const MOST_WORDS_IN_SENTENCE = 40;

type Schema = {
  description?: string;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  items?: Schema;
};

/** Nothing is called, so no view is needed. */
const tools = allTools({} as CallerViews, () => Promise.reject(new Error('unused'))).map(
  describeTool,
);

describe.each(tools)('$name', ({ name, title, description, inputSchema }: ToolDescription) => {
  const [first = ''] = sentencesOf(description);

  test('says first what it does, by a verb in the third person, and when to use it', () => {
    expect(first).toMatch(/^[A-Z][a-z]+s\b/);
    expect(first).toMatch(/; use it (only )?(when|to|for|before|after)\b/);
  });

  test('is short, in sentences that can be read once', () => {
    expect(description.length).toBeLessThanOrEqual(LONGEST_DESCRIPTION);
    for (const sentence of sentencesOf(description)) {
      expect(sentence.split(' ').length, sentence).toBeLessThanOrEqual(MOST_WORDS_IN_SENTENCE);
    }
    expect(description).toMatch(/\.$/);
    expect(title).toMatch(/^[A-Z][^.]+$/);
  });

  test('describes every parameter in whole sentences', () => {
    const parameters = [...parametersOf(inputSchema as Schema, name)];
    expect(parameters.filter(([, { description }]) => !description).map(([at]) => at)).toEqual([]);
    for (const [at, { description = '' }] of parameters) {
      expect(description, at).toMatch(/\.$/);
      expect(description.length, at).toBeLessThanOrEqual(LONGEST_PARAMETER);
    }
  });
});

test('there are all tools', () => expect(tools.length).toBeGreaterThan(30));

function sentencesOf(text: string): string[] {
  return text.split(/(?<=\.) /);
}

/** Nested ones too, each with the path to it. */
function* parametersOf(schema: Schema, at: string): Generator<[string, Schema]> {
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    yield [`${at}.${name}`, each];
    yield* parametersOf(each, `${at}.${name}`);
  }
  for (const each of [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])]) {
    yield* parametersOf(each, at);
  }
}
