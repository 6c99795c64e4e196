/** What the stand-in model does with one request. */
export type Step =
  | { kind: 'text'; text: string; chunkDelayMs?: number | undefined }
  | { kind: 'reasoning'; summary: string; then: Step }
  | { kind: 'shell'; command: string }
  | { kind: 'patch'; patch: string }
  | { kind: 'tool'; name: string; server?: string; args: Record<string, unknown> }
  | { kind: 'http'; status: number; body: unknown; headers: Record<string, string> }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'cut' | 'silence' | 'garbage' | 'refuse' };

/** A message; with a delay, in pieces of a word each. */
export function text(words: string, options: { chunkDelayMs?: number } = {}): Step {
  return { kind: 'text', text: words, ...options };
}

/** A message that is JSON, as answers to an output schema are. */
export function json(value: unknown): Step {
  return text(JSON.stringify(value));
}

/** A summary of reasoning, and then a message or a tool call in the same answer. */
export function reasoning(summary: string, then: Step): Step {
  return { kind: 'reasoning', summary, then };
}

/** Runs a command with whatever tool Codex offers for it. */
export function shell(command: string): Step {
  return { kind: 'shell', command };
}

/** Applies a patch (`*** Begin Patch` …) with whatever tool Codex offers for it. */
export function patch(patchText: string): Step {
  return { kind: 'patch', patch: patchText };
}

/** Calls a function tool, directly or in code mode. */
function tool(name: string, args: Record<string, unknown>): Step {
  return { kind: 'tool', name, args };
}

/** Calls a tool of an MCP server that Codex uses. */
export function mcpTool(server: string, name: string, args: Record<string, unknown>): Step {
  return { kind: 'tool', name, server, args };
}

/** Calls `update_plan`. Codex 0.169 offers it only with `tools.update_plan.enabled=true`. */
export function plan(
  steps: readonly { step: string; status: 'pending' | 'in_progress' | 'completed' }[],
): Step {
  return tool('update_plan', { plan: steps });
}

/** An answer with an error status, such as `http(429, …, { 'retry-after': '1' })`. */
export function http(
  status: number,
  body: unknown = { error: { message: `stand-in error ${status}`, type: 'server_error' } },
  headers: Record<string, string> = {},
): Step {
  return { kind: 'http', status, body, headers };
}

/** A stream that ends with `response.failed`. */
export function failed(code: string, message = 'The stand-in model failed.'): Step {
  return { kind: 'failed', code, message };
}

/** A stream whose connection breaks in the middle of a message. */
export function cut(): Step {
  return { kind: 'cut' };
}

/** A request that is never answered. */
export function silence(): Step {
  return { kind: 'silence' };
}

/** Status 200 with something that is not a stream of events. */
export function garbage(): Step {
  return { kind: 'garbage' };
}

/** A connection that is reset instead of answered. To refuse connections, close the stand-in. */
export function refuse(): Step {
  return { kind: 'refuse' };
}
