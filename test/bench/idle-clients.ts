/**
 * MCP clients that connect and then do nothing, in a process of their own, since their memory is not
 * to be counted: `idle-clients.ts KIND URL COUNT`. Says `connected` when all are, and ends with its
 * standard input.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ListToolsResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

const [kind, url, count] = z
  .tuple([z.enum(['sse', 'http', 'bare']), z.url(), z.coerce.number()])
  .parse(process.argv.slice(2));

for (let made = 0; made < count; made += 1) await connect();
process.stdout.write('connected\n');
process.stdin.resume().once('end', () => process.exit());

async function connect(): Promise<void> {
  if (kind === 'bare') {
    const { body } = await fetch(url);
    await body?.getReader().read();
    return;
  }
  const transport =
    kind === 'sse'
      ? new SSEClientTransport(new URL('/sse', url))
      : new StreamableHTTPClientTransport(new URL('/mcp', url));
  const client = new Client({ name: 'bench', version: '1.0.0' });
  await client.connect(transport);
  // Not `listTools`, which compiles every schema.
  await client.request({ method: 'tools/list' }, ListToolsResultSchema);
}
