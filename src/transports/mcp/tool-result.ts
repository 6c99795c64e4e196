import type { CallToolResult } from '@modelcontextprotocol/server';
import { reportError } from '../../errors.ts';

/** The result twice: programs and some clients read `structuredContent`, other clients show only the text. */
export function successResult(structuredContent: Record<string, unknown>): CallToolResult {
  return {
    structuredContent,
    content: [{ type: 'text', text: JSON.stringify(structuredContent, null, 2) }],
  };
}

/**
 * A failed call as the model sees it: one readable line, then the whole report. Text only: SDK
 * clients check `structuredContent` against the tool's output schema even when the call failed.
 */
export function errorResult(error: unknown, correlationId: string): CallToolResult {
  const report = reportError(error, correlationId);
  const { code, message, hint, retry_after_seconds: wait } = report;
  const when = typeof wait === 'number' ? ` Try again in ${Math.ceil(wait)} s.` : '';
  const text = `${code}: ${message} ${hint}${when}\n\n${JSON.stringify(report, null, 2)}`;
  return { isError: true, content: [{ type: 'text', text }] };
}
