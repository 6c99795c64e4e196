/** What a request of revision 2026-07-28 is answered with; no client of the SDKs takes a task yet. */
export type ModernAnswer = {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every shape
  result?: any;
  error?: { code: number; message: string; data?: unknown };
};

export type ModernClient = (
  method: string,
  params: Record<string, unknown>,
) => Promise<ModernAnswer>;

/** A client that declares these extensions with each of its requests. */
export function modernClient(url: string, extensions: Record<string, object>): ModernClient {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { extensions },
  };
  return async (method, params) => {
    const name = params.name ?? params.taskId;
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof name === 'string' && { 'mcp-name': name }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
    });
    const text = await response.text();
    const message = /^data: (.*)$/m.exec(text)?.[1] ?? text;
    return { status: response.status, ...JSON.parse(message) };
  };
}
