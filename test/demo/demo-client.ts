import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { z } from 'zod';
import { VERSION } from '../../src/version.ts';

/** A real model may think for long, and progress does not extend the limit of the SDK. */
const CALL_LIMIT_MS = 900_000;

const textBlocks = z.array(z.looseObject({ text: z.string().optional() }));

/** The client of the official SDK, over the transport that most configurations name. */
export class DemoClient {
  readonly #client = new Client({ name: 'codex-mcp-demo', version: VERSION });
  readonly #signal: AbortSignal;

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  static async connect(serverUrl: string, signal: AbortSignal): Promise<DemoClient> {
    const client = new DemoClient(signal);
    await client.#client.connect(new SSEClientTransport(new URL('/sse', serverUrl)));
    return client;
  }

  async toolNames(): Promise<string[]> {
    const { tools } = await this.#client.listTools({}, { signal: this.#signal });
    return tools.map(({ name }) => name);
  }

  /** Calls a tool and reads its structured result. A failed call throws what the server said. */
  async call<Result extends z.ZodType>(
    name: string,
    args: Record<string, unknown>,
    result: Result,
    onProgress: (message: string) => void = () => {},
  ): Promise<z.output<Result>> {
    const answer = await this.#client.callTool({ name, arguments: args }, undefined, {
      signal: this.#signal,
      timeout: CALL_LIMIT_MS,
      onprogress: ({ message }) => onProgress(message ?? ''),
    });
    if (answer.isError) throw new Error(sentenceOf(answer.content));
    return result.parse(answer.structuredContent);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** The server puts a sentence for people first, and the details for programs after an empty line. */
function sentenceOf(content: unknown): string {
  const [block] = textBlocks.safeParse(content).data ?? [];
  return block?.text?.split('\n\n', 1)[0] ?? 'The call failed.';
}
