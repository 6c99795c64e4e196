import { ConfigError } from '../config/config.ts';
import { AppError, reportError } from '../errors.ts';
import { DataDirError } from '../store/data-dir-error.ts';

export const USAGE = `Usage: codex-hangar [--port 8210] [--host 127.0.0.1] [--env-file .env]
       codex-hangar stdio [--url http://127.0.0.1:8210] [--agent-id ID] [--env-file FILE]
       codex-hangar doctor [--repair] [--json] [--env-file .env]
       codex-hangar token create NAME [--role viewer|developer|approver|admin]... [--tenant T]
                          [--agents A,B] [--expires 30d] [--json]
       codex-hangar token list [--json] | token revoke ID
       codex-hangar audit verify [--json] [--file FILE] [--head SEQ:HASH] [--env-file .env]
       codex-hangar audit export [--from TIME] [--to TIME] [--agent ID] [--principal ID] [--type TYPE]
                                 [--format jsonl|csv] [--file FILE] [--env-file .env]
       codex-hangar login [--device-auth | --with-api-key | status] [--env-file .env]
       codex-hangar logout [--env-file .env]
       codex-hangar credentials set|remove PRINCIPAL | set|remove git:HOST [PRINCIPAL] | list [--env-file .env]
       codex-hangar engine-guard [--socket /var/run/docker.sock] [--remember FILE]
                          [--listen unix:///PATH | tcp://127.0.0.1:2375] [--env-file .env]

Gives every agent id its own Codex container, over MCP:
  claude mcp add --transport sse codex-mcp http://localhost:8210/sse
  claude mcp add codex-mcp -- npx codex-hangar stdio

stdio serves one client over stdin and stdout, through the running server or one of its own.
token creates, lists and revokes tokens of callers. Once there is a token, every caller needs one.
engine-guard holds the socket of the engine for a server, and passes only requests that a server needs.
doctor checks the installation, with or without a running server; --repair fixes what it can.
audit verify checks whether audit records were changed or removed; audit export prints them.
login makes a ChatGPT login that pays for all agents, by browser, by a code for another machine's browser
(--device-auth), or saves an API key that is piped in (--with-api-key). credentials keeps the API keys that principals
bring for themselves and what git hosts want to be shown, piped in as well.
Every setting is an environment variable: see docs/configuration.md.`;

const EXIT_USAGE = 2;

/** The command line is invalid. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The program cannot start; the message says what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The message of a failure that ends the program. */
export function explain(error: unknown): string {
  if (
    error instanceof ConfigError ||
    error instanceof DataDirError ||
    error instanceof StartError
  ) {
    return error.message;
  }
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AppError) return `${error.message} ${reportError(error).hint}`;
  if ('code' in error && error.code === 'EADDRINUSE') {
    return `The port is taken: ${error.message}. Stop what listens there, or set another MCP_PORT (--port).`;
  }
  if (isUsageError(error)) return `${error.message}\n\n${USAGE}`;
  // The stack of a system error does not help a user.
  if ('syscall' in error) return `The server could not start: ${error.message}`;
  return `The server could not start: ${error.stack ?? error.message}`;
}

export function exitCodeOf(error: unknown): number {
  return error instanceof ConfigError || isUsageError(error) ? EXIT_USAGE : 1;
}

function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  return error instanceof Error && 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code));
}
