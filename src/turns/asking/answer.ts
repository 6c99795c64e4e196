import { z } from 'zod';
import type { TurnAnswer } from '../turn-kind.ts';

/** The JSON schema of the answer, in the strict subset of the Responses API. Undefined for text. */
export function answerSchema(answer: TurnAnswer): Record<string, unknown> | undefined {
  if (answer instanceof z.ZodString) return undefined;
  const { $schema: _, ...schema } = z.toJSONSchema(answer, { io: 'output' });
  return schema;
}

/** Many times the length of a final message. */
const ANSWER_CHARACTERS = 1024 * 1024;

export type ParsedAnswer<T> = { ok: true; value: T } | { ok: false; problems: string };

/** Parses the final message of a turn, which Codex does not check against the schema. */
export function parseAnswer<T>(message: string, answer: z.ZodType<T>): ParsedAnswer<T> {
  const isText = answer instanceof z.ZodString;
  if (message.length > ANSWER_CHARACTERS && !isText) {
    const problems = `It has ${message.length} characters; at most ${ANSWER_CHARACTERS} are read.`;
    return { ok: false, problems };
  }
  const json = isText ? message.slice(0, ANSWER_CHARACTERS) : parseJson(message);
  if (json === undefined) return { ok: false, problems: 'It is not JSON.' };
  const { data, error } = answer.safeParse(json);
  if (error) return { ok: false, problems: z.prettifyError(error) };
  return { ok: true, value: data };
}

export function repairPrompt(problems: string): string {
  return `Your last message could not be read:\n${problems}\n\nSend the same answer again as one JSON object of the asked form, without any other text. Do nothing else.`;
}

// Some models wrap what they were asked for in a code fence.
function parseJson(message: string): unknown {
  const fenced = /^\s*```(?:json)?\s*\n([\s\S]*?)\n```\s*$/.exec(message)?.[1];
  try {
    return JSON.parse(fenced ?? message);
  } catch {
    return undefined;
  }
}
