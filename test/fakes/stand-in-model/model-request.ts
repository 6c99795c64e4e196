import { z } from 'zod';

const itemSchema = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: z.unknown().optional(),
  output: z.unknown().optional(),
  tools: z.unknown().optional(),
});
const toolSchema = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  description: z.string().optional(),
  tools: z.unknown().optional(),
});
const bodySchema = z.looseObject({
  model: z.string().optional(),
  input: z.array(itemSchema).catch([]),
  tools: z.unknown().optional(),
  text: z
    .looseObject({ format: z.looseObject({ schema: z.unknown().optional() }).optional() })
    .optional()
    .catch(undefined),
});

type Item = z.output<typeof itemSchema>;
type Tool = z.output<typeof toolSchema>;

/** One request of Codex, as a script looks at it. */
export type ModelRequest = {
  model: string | undefined;
  /** What the user asked last. */
  prompt: string;
  /** What the tools answered since then, oldest first. */
  toolOutputs: readonly string[];
  /** The JSON Schema that the answer has to follow, if one is asked. */
  schema: unknown;
  /** Names of the tools on offer, those inside namespaces too. */
  tools: readonly string[];
  /** Whether tools are called as JavaScript given to the tool `exec`. */
  codeMode: boolean;
  /** Everything Codex sent. */
  body: Readonly<Record<string, unknown>>;
};

/** What Codex itself puts into the role of the user. */
const PREAMBLE = /^\s*(?:<[a-z_]+[ >]|# AGENTS\.md)/;

/** Reads a request body of the Responses API. */
export function readModelRequest(value: unknown): ModelRequest {
  const body = bodySchema.catch({ input: [], tools: undefined }).parse(value);
  const promptAt = body.input.findLastIndex(isPrompt);
  const prompt = body.input[promptAt];
  const tools = toolsOf(body.tools, body.input);
  return {
    model: body.model,
    prompt: prompt ? textOf(prompt.content) : '',
    toolOutputs: body.input
      .slice(promptAt + 1)
      .filter(({ type }) => type?.endsWith('_call_output'))
      .map(({ output }) => textOf(output)),
    schema: body.text?.format?.schema,
    tools: tools.flatMap(({ name }) => name ?? []),
    codeMode: tools.some(({ name, type }) => name === 'exec' && type === 'custom'),
    body,
  };
}

function isPrompt(item: Item): boolean {
  return item.type === 'message' && item.role === 'user' && !PREAMBLE.test(textOf(item.content));
}

/** Models of the code mode get their tools in an item of the input. */
function toolsOf(tools: unknown, input: readonly Item[]): Tool[] {
  return [tools, ...input.map((item) => item.tools)].flatMap(flatten);
}

function flatten(tools: unknown): Tool[] {
  const parsed = z.array(toolSchema).safeParse(tools).data ?? [];
  return parsed.flatMap((tool) => [tool, ...flatten(tool.tools)]);
}

/** The text of a content, which is a string or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => z.object({ text: z.string() }).safeParse(part).data?.text ?? '')
    .join('\n');
}
