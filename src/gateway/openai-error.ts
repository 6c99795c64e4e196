import type { ServerResponse } from 'node:http';

/** An error in the form of the OpenAI API, which Codex shows to its user. */
export type OpenAiError = { status: number; type: string; code: string; message: string };

/** Answers with an error unless the answer has begun. */
export function answerError(response: ServerResponse, error: OpenAiError): void {
  if (response.headersSent || response.destroyed) return;
  const { status, ...body } = error;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { ...body, param: null } }));
}
