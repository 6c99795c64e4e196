import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import closeWithGrace from 'close-with-grace';
import pTimeout from 'p-timeout';
import { redactorOf } from '../audit/redaction/redactor-of.ts';
import { type AgentName, ownNameSchema } from '../identity/agent-id.ts';
import { loadConfig } from '../server/load-config.ts';
import { UsageError } from './failure.ts';
import { logToStderr, SHUTDOWN_LIMIT_MS } from './process.ts';
import { ServerFinder } from './server-finder.ts';
import { serverSession } from './server-session.ts';
import { StdioBridge } from './stdio-bridge.ts';

/** Above the limit of any server, so that the server refuses. */
const MAX_MESSAGE_BYTES = 65 * 1024 * 1024;

/**
 * Serves one client over stdin and stdout until it disconnects. Without `--env-file` no `.env` is read:
 * the working directory is the project of the client, whose files are not trusted.
 */
export async function stdio(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: 'string' },
      'agent-id': { type: 'string' },
      'env-file': { type: 'string' },
    },
  });
  const agentName = agentNameOf(values['agent-id']);
  // Who fills in forms can't leave an option out, only empty.
  const url = values.url ? baseUrlOf(values.url) : undefined;
  const config = loadConfig(process.env, values['env-file']);
  const log = logToStderr(config, redactorOf(config));
  const servers = new ServerFinder({ config, url, log });
  const client = new StdioServerTransport(process.stdin, process.stdout, {
    maxBufferSize: MAX_MESSAGE_BYTES,
  });
  const bridge = new StdioBridge({
    client,
    connect: async (lostAt) =>
      serverSession(await servers.find(lostAt), { agentName, token: config.CODEX_MCP_TOKEN }),
    log,
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= closeBoth(servers, bridge);
    return closing;
  };
  const grace = closeWithGrace({ delay: SHUTDOWN_LIMIT_MS, logger: false }, async ({ err }) => {
    if (err) log.fatal({ err }, 'Stopping after an unexpected failure');
    if (err) process.exitCode = 1;
    await close();
  });
  try {
    await bridge.start();
  } catch (error) {
    grace.uninstall();
    await close();
    throw error;
  }
  // Not by `grace`, for which a signal that the client sends soon after would be the second, and fatal.
  client.onclose = () => {
    const limit = { milliseconds: SHUTDOWN_LIMIT_MS, message: false } as const;
    void pTimeout(close(), limit).finally(() => process.exit());
  };
}

/** Closes our own server first, as it answers the requests that it interrupts. */
async function closeBoth(servers: ServerFinder, bridge: StdioBridge): Promise<void> {
  try {
    if (await servers.close()) await bridge.sessionEnd();
  } finally {
    await bridge.close();
  }
}

/** Constant over reconnects, so that calls without an agent id keep their agent. */
function agentNameOf(given: string | undefined): AgentName {
  if (given === undefined) return `stdio-${randomBytes(4).toString('hex')}`;
  const parsed = ownNameSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new UsageError(`--agent-id is "${given}", but ${parsed.error.issues[0]?.message}.`);
}

function baseUrlOf(given: string): string {
  const url = URL.parse(given);
  if (url && /^https?:$/.test(url.protocol)) {
    return `${url.origin}${url.pathname.replace(/\/(sse|mcp)?\/*$/, '')}`;
  }
  throw new UsageError(`--url is "${given}". Allowed: an http or https URL.`);
}
