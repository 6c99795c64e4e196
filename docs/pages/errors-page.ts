import { ERRORS, type ErrorRow } from '../../src/errors.ts';

/** The text of docs/errors.md. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, row]) => {
    const { status, rpc, hint } = row;
    return `| \`${code}\` | ${status} | ${rpc} | ${retryOf(row)} | ${hint} |`;
  });
  return `# Errors

A failed tool call over MCP is a result with \`isError: true\`; over HTTP it is this status with \`{"error": …}\`.
Both carry \`code\`, \`message\`, \`hint\`, \`retryable\`, \`correlation_id\` and, where they help, further facts such as \`retry_after_seconds\`, \`issues\` or \`limit\`.
The JSON-RPC code is used where a request fails before a tool is reached.
What comes back with 429 or 503 and may be tried again says after how many seconds: in \`retry_after_seconds\`, in the text of a failed call over MCP, and in the header \`Retry-After\` over HTTP.

<!-- Made from src/errors.ts by \`npm run docs\`. -->

| Code | HTTP | JSON-RPC | Retry as it is | What to do |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function retryOf({ retry, retryAfter }: ErrorRow): string {
  if (!retry) return 'no';
  return retryAfter === undefined ? 'yes' : `after ${retryAfter} s`;
}
