import fs from 'node:fs';
import { z } from 'zod';
import { httpUrl } from '../../config/setting.ts';

const MAX_FILE_BYTES = 1024 * 1024;

const common = {
  startup_timeout_sec: z.number().positive().max(600).optional(),
  tool_timeout_sec: z.number().positive().max(86_400).optional(),
  enabled_tools: z.array(z.string()).optional(),
  disabled_tools: z.array(z.string()).optional(),
  /** Applies to approval policies other than `never`. */
  default_tools_approval_mode: z.enum(['approve', 'prompt', 'auto']).default('prompt'),
};

const program = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
  cwd: z.string().optional(),
  ...common,
});
const remote = z.strictObject({ url: httpUrl(), ...common });

const serverSchema = z.union([program, remote]);
const fileSchema = z.strictObject({
  mcpServers: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/), serverSchema),
});

type McpServer = z.output<typeof serverSchema>;

/** The operator's list of MCP servers, by name. */
export class McpServers {
  readonly #servers: ReadonlyMap<string, McpServer>;

  private constructor(servers: ReadonlyMap<string, McpServer>) {
    this.#servers = servers;
  }

  /** Throws for an invalid file. */
  static read(file: string | undefined): McpServers {
    if (file === undefined) return new McpServers(new Map());
    const parsed = fileSchema.safeParse(parseJson(readText(file)));
    if (!parsed.success) throw new Error(problemOf(parsed.error));
    return new McpServers(new Map(Object.entries(parsed.data.mcpServers)));
  }

  get names(): string[] {
    return [...this.#servers.keys()];
  }

  has(name: string): boolean {
    return this.#servers.has(name);
  }

  /** Codex's configuration `mcp_servers`; undefined without servers. Unknown names are ignored. */
  configOf(
    names: readonly string[],
    { mayAsk }: { mayAsk: boolean },
  ): Record<string, McpServer> | undefined {
    // Under the policy `never`, Codex unpredictably runs or refuses a tool that requires approval.
    const mode = mayAsk ? {} : { default_tools_approval_mode: 'approve' as const };
    const known = names.flatMap((name) => {
      const server = this.#servers.get(name);
      return server ? [[name, { ...server, ...mode }] as const] : [];
    });
    return known.length > 0 ? Object.fromEntries(known) : undefined;
  }
}

function readText(file: string): string {
  if (fs.statSync(file).size > MAX_FILE_BYTES) {
    throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
  }
  return fs.readFileSync(file, 'utf8');
}

// The error of JSON.parse would quote the file, which may contain secrets.
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
}

// Only the path of the error, since values may be secrets.
function problemOf(error: z.ZodError): string {
  const { path = [] } = error.issues[0] ?? {};
  return `${path.join('.') || 'the file'} is not as docs/skills.md says`;
}
