import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const CALL_ID = 'toolu_scripted';
const SEARCH = 'ToolSearch';

const block = z.looseObject({
  type: z.string(),
  tool_use_id: z.string().optional(),
  content: z.unknown().optional(),
  is_error: z.boolean().optional(),
});
const messagesRequest = z.looseObject({
  model: z.string(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  messages: z.array(z.looseObject({ content: z.union([z.string(), z.array(block)]) })),
});

type MessagesRequest = z.output<typeof messagesRequest>;
type Block = z.output<typeof block>;
type ToolCall = { id: string; name: string; input: Record<string, unknown> };

export type ScriptedClaude = AsyncDisposable & {
  /** For ANTHROPIC_BASE_URL. */
  readonly url: string;
  /** What Claude Code passed to the model as the result of the call. */
  readonly results: readonly { text: string; isError: boolean }[];
};

/** A Messages API on loopback with a model that calls one tool and says `done` when it has its result. */
export async function startScriptedClaude(call: {
  tool: string;
  input: Record<string, unknown>;
}): Promise<ScriptedClaude> {
  const results: { text: string; isError: boolean }[] = [];
  const server = http.createServer(async (request, response) => {
    const parsed = messagesRequest.safeParse(await json(request).catch(() => undefined));
    if (!request.url?.startsWith('/v1/messages') || !parsed.success) {
      response.writeHead(404).end();
      return;
    }
    const result = resultIn(parsed.data);
    if (result) results.push({ text: textOf(result.content), isError: result.is_error === true });
    const next = result ? undefined : nextCall(parsed.data, call);
    stream(response, parsed.data.model, next);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    results,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Claude Code keeps tools of MCP servers back until the model searches for them. */
function nextCall(
  { tools }: MessagesRequest,
  { tool, input }: { tool: string; input: Record<string, unknown> },
): ToolCall | undefined {
  const names = tools.map(({ name }) => name);
  if (names.includes(tool)) return { id: CALL_ID, name: tool, input };
  if (!names.includes(SEARCH)) return undefined;
  return { id: 'toolu_search', name: SEARCH, input: { query: `select:${tool}` } };
}

function resultIn({ messages }: MessagesRequest): Block | undefined {
  return messages
    .flatMap(({ content }) => (typeof content === 'string' ? [] : content))
    .find(({ type, tool_use_id }) => type === 'tool_result' && tool_use_id === CALL_ID);
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  const blocks = z.array(z.looseObject({ text: z.string().default('') })).safeParse(content);
  return (blocks.data ?? []).map(({ text }) => text).join('\n');
}

function stream(response: ServerResponse, model: string, call: ToolCall | undefined): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (type: string, data: Record<string, unknown> = {}) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  const message = { id: 'msg_scripted', type: 'message', role: 'assistant', model, content: [] };
  const usage = { input_tokens: 1, output_tokens: 1 };
  send('message_start', { message: { ...message, usage } });
  const start = call ? { type: 'tool_use', ...call, input: {} } : { type: 'text', text: '' };
  const delta = call
    ? { type: 'input_json_delta', partial_json: JSON.stringify(call.input) }
    : { type: 'text_delta', text: 'done' };
  send('content_block_start', { index: 0, content_block: start });
  send('content_block_delta', { index: 0, delta });
  send('content_block_stop', { index: 0 });
  const reason = call ? 'tool_use' : 'end_turn';
  send('message_delta', { delta: { stop_reason: reason, stop_sequence: null }, usage });
  send('message_stop');
  response.end();
}
