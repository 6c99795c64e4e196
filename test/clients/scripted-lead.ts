import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const CALL_ID = 'call_scripted';

const responsesRequest = z.looseObject({
  model: z.string(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  input: z.array(
    z.looseObject({
      type: z.string().optional(),
      call_id: z.string().optional(),
      output: z.unknown().optional(),
    }),
  ),
});

export type ScriptedLead = AsyncDisposable & {
  /** For OPENAI_BASE_URL. */
  readonly url: string;
  /** What the Agents SDK offered to the model. */
  readonly tools: readonly string[];
  /** What it passed to the model as the result of the call. */
  readonly results: readonly string[];
};

/** A Responses API on loopback with a model that calls one tool and says `done` when it has its result. */
export async function startScriptedLead(call: {
  tool: string;
  input: Record<string, unknown>;
}): Promise<ScriptedLead> {
  const tools: string[] = [];
  const results: string[] = [];
  const server = http.createServer(async (request, response) => {
    const parsed = responsesRequest.safeParse(await json(request).catch(() => undefined));
    if (request.url !== '/v1/responses' || !parsed.success) {
      response.writeHead(404).end();
      return;
    }
    const { model, input } = parsed.data;
    tools.splice(0, tools.length, ...parsed.data.tools.map(({ name }) => name));
    const result = input.find(
      ({ type, call_id }) => type === 'function_call_output' && call_id === CALL_ID,
    );
    if (result) results.push(textOf(result.output));
    const output = result ? message() : functionCall(call);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'resp_scripted', object: 'response', model, ...output }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    tools,
    results,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function message() {
  const content = [{ type: 'output_text', text: 'done', annotations: [] }];
  return {
    output: [
      { type: 'message', id: 'msg_scripted', role: 'assistant', status: 'completed', content },
    ],
  };
}

function functionCall({ tool, input }: { tool: string; input: Record<string, unknown> }) {
  const call = { id: 'fc_scripted', call_id: CALL_ID, name: tool, status: 'completed' };
  return { output: [{ type: 'function_call', ...call, arguments: JSON.stringify(input) }] };
}

/** The SDK passes a text, or parts of one. */
function textOf(output: unknown): string {
  if (typeof output === 'string') return output;
  const parts = z.array(z.looseObject({ text: z.string().default('') })).safeParse(output);
  return (parts.data ?? []).map(({ text }) => text).join('\n');
}
