import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { ROLES } from '../access/principal.ts';
import { APPROVAL_MODES } from '../approvals/approval-policy.ts';

/** The sections of docs/configuration.md and .env.example, in order. */
export const SETTING_GROUPS = [
  'Model',
  'Credentials',
  'Server',
  'Callers',
  'Agents',
  'Containers',
  'Egress',
  'Limits',
  'Budgets',
  'Audit',
  'Logging',
] as const;

export type SettingMeta = {
  group: (typeof SETTING_GROUPS)[number];
  description: string;
  /** What a user reads in an error and in the documents. */
  allowed: string;
  /** The default as documents show it, where the real one depends on the machine. */
  shownDefault?: string;
  secret?: boolean;
};

const metas = z.registry<SettingMeta>();

const PORT_MAX = 65_535;
const DAY_SECONDS = 86_400;
const SECONDS_MAX = 365 * DAY_SECONDS;
const MEBIBYTE = 1024 * 1024;
const SIZE_UNITS: Record<string, number> = { b: 1, k: 1024, m: MEBIBYTE, g: 1024 * MEBIBYTE };
const SMALLEST_SIZE = 64 * MEBIBYTE;

/** Every variable the server reads, with its rule, its default and its description. */
export const settingsSchema = z.object({
  OPENAI_API_KEY: setting(z.string().min(1).optional(), {
    group: 'Model',
    description: 'Key of the model provider. It stays in the server and never enters a container.',
    allowed: 'a non-empty string',
    secret: true,
  }),
  OPENAI_BASE_URL: setting(httpUrl().optional(), {
    group: 'Model',
    description:
      'Base URL of any endpoint that speaks the OpenAI Responses API. Required when `CODEX_PROVIDER` is not `openai`.',
    allowed: 'an http or https URL',
    shownDefault: 'https://api.openai.com/v1',
  }),
  CODEX_PROVIDER: setting(
    z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,31}$/)
      .default('openai'),
    {
      group: 'Model',
      description: 'Name of the model provider. `openai` needs no `OPENAI_BASE_URL`.',
      allowed: 'a lower-case name of at most 32 characters',
    },
  ),
  CODEX_MODEL: setting(z.string().min(1).max(100).default('gpt-5'), {
    group: 'Model',
    description: 'Model of a turn that names none.',
    allowed: 'a model name the provider knows',
  }),
  CODEX_REASONING: setting(
    z.enum(['minimal', 'low', 'medium', 'high', 'xhigh']).default('medium'),
    {
      group: 'Model',
      description: 'Reasoning effort of a turn that names none.',
      allowed: 'minimal, low, medium, high or xhigh',
    },
  ),
  CODEX_SANDBOX_MODE: setting(
    z.enum(['read-only', 'workspace-write', 'danger-full-access']).default('workspace-write'),
    {
      group: 'Model',
      description:
        'What a `codex` call that does not say may do to its workspace. It never reaches beyond the container.',
      allowed: 'read-only, workspace-write or danger-full-access',
    },
  ),
  MODEL_MAX_RETRIES: setting(wholeNumber(0, 20).default(5), {
    group: 'Model',
    description: 'How often the gateway repeats a model request that was answered 429.',
    allowed: 'a whole number from 0 to 20',
  }),
  MODEL_MAX_RETRY_WAIT: setting(wholeNumber(1, 600).default(60), {
    group: 'Model',
    description: 'Longest wait between two such repeats, in seconds.',
    allowed: 'a whole number from 1 to 600',
  }),

  CODEX_AUTH_METHOD: setting(z.enum(['auto', 'api_key', 'oauth']).default('auto'), {
    group: 'Credentials',
    description:
      'Who pays: `api_key`, `oauth` (a ChatGPT login), or whichever of both there is. With an `OPENAI_BASE_URL` `auto` means `api_key`.',
    allowed: 'auto, api_key or oauth',
  }),
  CODEX_PREFER_OAUTH: setting(flag().default(true), {
    group: 'Credentials',
    description: 'Whether `auto` takes the ChatGPT login where there is an API key too.',
    allowed: 'true or false',
  }),
  OAUTH_TOKEN_STORAGE_PATH: setting(directory().optional(), {
    group: 'Credentials',
    description:
      'The `auth.json` of the login, as Codex writes it. The server renews it: it must be able to write its directory. If set, no other place is looked at.',
    allowed: 'a path',
    shownDefault: '~/.codex/auth.json',
  }),
  CODEX_AUTH_DIR: setting(directory().optional(), {
    group: 'Credentials',
    description: 'Directory of `auth.json`, where `OAUTH_TOKEN_STORAGE_PATH` is not set.',
    allowed: 'a path',
    shownDefault: '~/.codex',
  }),
  CHATGPT_OAUTH_TOKEN: setting(z.string().min(1).optional(), {
    group: 'Credentials',
    description:
      'Access token of a ChatGPT login, used where there is no `auth.json`. It cannot be renewed.',
    allowed: 'a non-empty string',
    secret: true,
  }),
  CHATGPT_BASE_URL: setting(httpUrl().default('https://chatgpt.com/backend-api/codex'), {
    group: 'Credentials',
    description: 'Where model requests go that a ChatGPT login pays.',
    allowed: 'an http or https URL',
  }),
  OAUTH_ISSUER: setting(httpUrl().default('https://auth.openai.com'), {
    group: 'Credentials',
    description: 'Server that logs in, and renews logins.',
    allowed: 'an https URL, or an http URL of this machine',
  }),
  OAUTH_CLIENT_ID: setting(z.string().min(1).max(200).default('codex-cli'), {
    group: 'Credentials',
    description:
      'Client that logins are made for. `codex-cli` stands for the registered id of the Codex CLI, without which its logins cannot be renewed.',
    allowed: 'codex-cli or the id of a client',
  }),
  OAUTH_CALLBACK_PORT: setting(wholeNumber(0, PORT_MAX).default(8765), {
    group: 'Credentials',
    description:
      'Port of this machine to which the browser comes back at a login; 0 takes a free one. The Codex CLI uses 1455.',
    allowed: 'a whole number from 0 to 65535',
  }),
  OAUTH_CALLBACK_TIMEOUT: setting(wholeNumber(1, 3600).default(300), {
    group: 'Credentials',
    description: 'Seconds that a login waits for its user.',
    allowed: 'a whole number from 1 to 3600',
  }),
  OAUTH_AUTO_OPEN_BROWSER: setting(flag().default(true), {
    group: 'Credentials',
    description: 'Whether a login opens the browser by itself.',
    allowed: 'true or false',
  }),
  CREDENTIALS_KEY: setting(z.string().min(32).max(1024).optional(), {
    group: 'Credentials',
    description:
      'Passphrase that seals the API keys which principals bring for themselves (`codex-mcp credentials`). Without it none can be stored or used.',
    allowed: 'from 32 to 1024 characters, such as those of `openssl rand -base64 32`',
    secret: true,
  }),

  MCP_HOST: setting(z.string().min(1).default('127.0.0.1'), {
    group: 'Server',
    description: 'Address to listen on. On any but loopback, callers need tokens.',
    allowed: 'an IP address or host name',
  }),
  MCP_PORT: setting(wholeNumber(0, PORT_MAX).default(8210), {
    group: 'Server',
    description: 'Port to listen on; 0 takes a free one.',
    allowed: 'a whole number from 0 to 65535',
  }),
  ALLOW_UNAUTHENTICATED: setting(flag().default(false), {
    group: 'Server',
    description:
      'Let callers without a token in on an address other than loopback, as long as there are no tokens and neither `JWT_SECRET` nor `OIDC_ISSUER`. Whoever reaches the port can use your model account.',
    allowed: 'true or false',
  }),
  PUBLIC_URL: setting(httpUrl().optional(), {
    group: 'Server',
    description:
      'Where clients reach the server, if that is behind a proxy; shown to those that log in.',
    allowed: 'an http or https URL',
    shownDefault: 'what the request says',
  }),
  ALLOWED_HOSTS: setting(list().default([]), {
    group: 'Server',
    description:
      'Host names, besides `localhost`, `127.0.0.1`, `[::1]` and `MCP_HOST`, that a `Host` header may carry.',
    allowed: 'host names separated by commas',
  }),
  ALLOWED_ORIGINS: setting(list().default([]), {
    group: 'Server',
    description: 'Host names, besides loopback, whose pages may call the server from a browser.',
    allowed: 'host names separated by commas',
  }),
  DATA_DIR: setting(directory().default(path.join(os.homedir(), '.codex-mcp-server')), {
    group: 'Server',
    description:
      'Directory of the database and, in the process runtime, of the agents. One running server per directory.',
    allowed: 'a writable path',
    shownDefault: '~/.codex-mcp-server',
  }),

  JWT_SECRET: setting(z.string().min(32).optional(), {
    group: 'Callers',
    description:
      'Callers may show a JWT signed with it (HS256), with the claims `sub`, `role` and, if wanted, `tenant`, `agents` and `exp`.',
    allowed: 'at least 32 characters; `openssl rand -hex 32` makes some',
    secret: true,
  }),
  OIDC_ISSUER: setting(httpUrl().optional(), {
    group: 'Callers',
    description:
      'Authorization server whose access tokens callers may show; MCP clients that know OAuth are told of it. Needs `OIDC_AUDIENCE`.',
    allowed: 'an http or https URL',
  }),
  OIDC_AUDIENCE: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description: 'What its tokens must name as their audience: this server, and no other.',
    allowed: 'a non-empty string',
  }),
  OIDC_JWKS_URL: setting(httpUrl().optional(), {
    group: 'Callers',
    description: 'Where its keys are, if it does not say so itself.',
    allowed: 'an http or https URL',
    shownDefault: 'as the issuer publishes it',
  }),
  OIDC_ROLES_CLAIM: setting(z.string().min(1).max(100).default('roles'), {
    group: 'Callers',
    description: 'The claim that names roles: viewer, developer (or code), approver, admin.',
    allowed: 'the name of a claim',
  }),
  OIDC_DEFAULT_ROLE: setting(z.enum(ROLES).default('viewer'), {
    group: 'Callers',
    description: 'Role of a token that names none.',
    allowed: 'viewer, developer, approver or admin',
  }),
  CODEX_MCP_TOKEN: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description:
      'The token that `codex-mcp-server stdio` shows to the server. The server itself does not read it.',
    allowed: 'a token that the server knows',
    secret: true,
  }),
  MAX_FAILED_LOGINS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Callers',
    description:
      'Wrong tokens from one address in a minute; further ones are answered 429. Right ones are always let in.',
    allowed: 'a whole number from 1 to 10000',
  }),

  CODEX_APPROVAL_MODE: setting(z.enum(APPROVAL_MODES).default('suggest'), {
    group: 'Callers',
    description:
      'What waits until somebody approves it: see docs/approvals.md. `suggest`: full access, and calls of pipelines. `auto`: only what is critical. `manual`: all that may write.',
    allowed: 'suggest, auto or manual',
  }),
  APPROVAL_TIMEOUT: setting(wholeNumber(1, DAY_SECONDS).default(300), {
    group: 'Callers',
    description: 'Seconds until what nobody has approved is declined.',
    allowed: 'a whole number from 1 to 86400',
  }),

  AGENT_RUNTIME: setting(z.enum(['auto', 'docker', 'process']).default('auto'), {
    group: 'Agents',
    description:
      'Where agents run. `auto` takes Docker if it answers at start or has agents already, else child processes of the server, with a warning.',
    allowed: 'auto, docker or process',
  }),
  MAX_CONCURRENT_SESSIONS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Agents',
    description:
      'Agents that run at the same time, paused ones included. When all are taken, the longest idle one is stopped, paused ones first; if all are busy or pinned, the call is refused.',
    allowed: 'a whole number from 1 to 10000',
  }),
  PAUSE_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(300), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is paused: it keeps its memory but no CPU, and wakes at once. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  SESSION_TIMEOUT: setting(wholeNumber(1, SECONDS_MAX).default(3600), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is stopped. Its files and conversation stay; the next call wakes it.',
    allowed: 'a whole number from 1 to 31536000',
  }),
  ARCHIVE_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(7 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds without a turn after which the container of an agent is removed. Its files and conversation stay; the next call wakes it. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  RETENTION_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(0), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is removed with its files and its conversation. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  EXPIRY_WARNING: setting(wholeNumber(0, DAY_SECONDS).default(60), {
    group: 'Agents',
    description:
      'Seconds before an idle agent is stopped, archived or removed that its clients are told. No agent is removed earlier after its warning than that, or than `RETENTION_TIMEOUT` if that is shorter. 0: no warnings.',
    allowed: 'a whole number from 0 to 86400',
  }),
  ORPHAN_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(7 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after their creation until volumes of this installation are removed whose agent the database does not know. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  TURN_RETENTION: setting(wholeNumber(0, SECONDS_MAX).default(30 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after its end until a turn is forgotten with its result, its events and its `idempotency_key`. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  WARM_POOL_SIZE: setting(wholeNumber(0, 1000).default(0), {
    group: 'Agents',
    description:
      'Containers that are started and paused ahead of new agents, beyond `MAX_CONCURRENT_SESSIONS`. Each holds the memory of an idle agent.',
    allowed: 'a whole number from 0 to 1000',
  }),
  PERSISTENT_MODE: setting(flag().default(true), {
    group: 'Agents',
    description:
      'Leave idle agents running when the server stops. `false` stops them; files and conversations stay either way.',
    allowed: 'true or false',
  }),
  REAPER_SCHEDULE: setting(z.string().min(1).default('* * * * *'), {
    group: 'Agents',
    description: 'When idle agents, and what was left behind, are looked for.',
    allowed: 'a cron expression of five or six fields',
  }),
  TOOL_DEFAULT_TIMEOUT: setting(wholeNumber(1, 86_400).default(600), {
    group: 'Agents',
    description: 'Seconds a call may take when it names no `timeout_seconds`.',
    allowed: 'a whole number from 1 to 86400',
  }),

  DOCKER_HOST: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description: 'The engine to use.',
    allowed: 'unix:///path, tcp://host:port, http(s)://host:port or ssh://user@host',
    shownDefault: 'unix:///var/run/docker.sock',
  }),
  DOCKER_TLS_VERIFY: setting(flag().default(false), {
    group: 'Containers',
    description:
      'Reach an engine of `tcp://` by TLS. With port 2376, `https://` or `DOCKER_CERT_PATH` that is so anyway. Its certificate is always verified.',
    allowed: 'true or false',
  }),
  DOCKER_CERT_PATH: setting(directory().optional(), {
    group: 'Containers',
    description: 'Directory with the authority of such an engine and the certificate to show it.',
    allowed: 'a directory with ca.pem, cert.pem and key.pem that can be read',
  }),
  AGENT_IMAGE: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description: 'Image of the agents. Unset: the server builds `agent-image/` on first start.',
    allowed: 'an image reference',
  }),
  AGENT_BASE_IMAGE: setting(z.string().min(1).default('node:24-bookworm-slim'), {
    group: 'Containers',
    description: 'Base of the image that the server builds: Debian with Node 24.',
    allowed: 'an image reference',
  }),
  EXTRA_CA_CERTS: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description:
      'PEM file with further certificate authorities for the image, for networks behind a TLS-inspecting proxy.',
    allowed: 'a readable file',
  }),
  CONTAINER_RUNTIME: setting(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/)
      .optional(),
    {
      group: 'Containers',
      description:
        'OCI runtime of the agents, such as `runsc` of gVisor or `kata`. The engine must have it: see [engine.md](engine.md#another-runtime).',
      allowed: 'a runtime that `docker info` lists',
      shownDefault: "the engine's default",
    },
  ),
  CONTAINER_CPU_LIMIT: setting(z.coerce.number().min(0.01).max(1024).default(4), {
    group: 'Containers',
    description: 'CPUs of an agent. More than the engine has counts as all it has.',
    allowed: 'a number from 0.01 to 1024',
  }),
  CONTAINER_MEMORY_LIMIT: setting(memorySize().default(2048 * MEBIBYTE), {
    group: 'Containers',
    description: 'Memory of an agent, swap included.',
    allowed: 'a size of at least 64m, such as 512m or 2g',
  }),
  CONTAINER_PIDS_LIMIT: setting(wholeNumber(32, 100_000).default(512), {
    group: 'Containers',
    description: 'Processes and threads of an agent.',
    allowed: 'a whole number from 32 to 100000',
  }),
  CONTAINER_DISK_LIMIT: setting(diskSize().default(10 * 1024 * MEBIBYTE), {
    group: 'Containers',
    description:
      'Size of the files of an agent, workspace and home together, measured after turns that write; and of each single file. 0: no limit.',
    allowed: '0, or a size of at least 64m, such as 512m or 10g',
    shownDefault: '10g',
  }),
  CONTAINER_NETWORK_MODE: setting(z.enum(['none', 'bridge']).default('none'), {
    group: 'Containers',
    description:
      'Network of an agent. `none`: only the gateway of the server. `bridge`: whatever the engine lets it reach.',
    allowed: 'none or bridge',
  }),
  CONTAINER_STARTUP_TIMEOUT: setting(wholeNumber(1, 3600).default(120), {
    group: 'Containers',
    description: 'Seconds until a started agent must answer.',
    allowed: 'a whole number from 1 to 3600',
  }),
  CONTAINER_STOP_TIMEOUT: setting(wholeNumber(0, 3600).default(30), {
    group: 'Containers',
    description: 'Seconds a stopping agent gets before it is killed.',
    allowed: 'a whole number from 0 to 3600',
  }),
  DOCKER_OPERATION_TIMEOUT: setting(wholeNumber(1, 3600).default(60), {
    group: 'Containers',
    description: 'Seconds until a request to the engine is given up.',
    allowed: 'a whole number from 1 to 3600',
  }),
  CODEX_BIN: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description:
      'Codex program of the process runtime. Unset: the one installed with this package.',
    allowed: 'path of the native codex program',
  }),

  EGRESS_ALLOW: setting(list().default([]), {
    group: 'Egress',
    description:
      'What every agent may reach besides the model. Nothing if unset; `allow_egress` allows more to one agent. See docs/egress.md.',
    allowed:
      'rules separated by commas: npm, pypi, crates, go, debian, github, example.org, *.example.org, example.org:8443, https://example.org, GET http://example.org',
  }),
  EGRESS_ALLOW_PRIVATE: setting(list().default([]), {
    group: 'Egress',
    description:
      'Private networks that allowed hosts may lie in, such as that of a mirror. Dangerous: agents reach every service there that a rule names. Loopback, link-local and metadata addresses are never reached.',
    allowed: 'CIDR ranges of private networks separated by commas, such as 10.1.2.0/24',
  }),
  EGRESS_LOG_KEPT: setting(wholeNumber(0, 100_000).default(1000), {
    group: 'Egress',
    description: 'Connections of an agent that are remembered; the oldest go first.',
    allowed: 'a whole number from 0 to 100000',
  }),
  EGRESS_IDLE_TIMEOUT: setting(wholeNumber(1, 86_400).default(300), {
    group: 'Egress',
    description: 'Seconds without a byte after which a connection of an agent is cut.',
    allowed: 'a whole number from 1 to 86400',
  }),
  EGRESS_HOURLY_LIMIT: setting(size().default(0), {
    group: 'Egress',
    description:
      'Bytes that an agent may send and receive in an hour, the model apart. 0: no limit.',
    allowed: '0, or a size such as 512m or 10g',
  }),
  MAX_EGRESS_CONNECTIONS: setting(wholeNumber(1, 192).default(64), {
    group: 'Egress',
    description: 'Connections of an agent that are open at the same time, the model apart.',
    allowed: 'a whole number from 1 to 192',
  }),

  MAX_PROMPT_BYTES: setting(wholeNumber(1, 64 * MEBIBYTE).default(MEBIBYTE), {
    group: 'Limits',
    description: 'Size of all inputs of one call together.',
    allowed: 'a number of bytes from 1 to 67108864',
  }),
  MAX_BODY_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(4 * MEBIBYTE), {
    group: 'Limits',
    description: 'Size of a request body.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),
  RATE_LIMIT_RPM: setting(wholeNumber(0, 1_000_000).default(60), {
    group: 'Limits',
    description: 'Calls in a minute that have one agent work; 0 for no limit.',
    allowed: 'a whole number from 0 to 1000000',
  }),
  REQUEST_LIMIT_RPM: setting(wholeNumber(0, 1_000_000).default(3000), {
    group: 'Limits',
    description: 'Requests of any kind in a minute that one caller may send; 0 for no limit.',
    allowed: 'a whole number from 0 to 1000000',
  }),
  MAX_AGENTS_PER_PRINCIPAL: setting(wholeNumber(1, 1_000_000).default(1000), {
    group: 'Limits',
    description: 'Agents that one caller may have, sleeping ones included.',
    allowed: 'a whole number from 1 to 1000000',
  }),
  MAX_TURNS_PER_PRINCIPAL: setting(wholeNumber(1, 100_000).default(200), {
    group: 'Limits',
    description: 'Turns of one caller that run or wait at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_QUEUED_TURNS: setting(wholeNumber(1, 10_000).default(16), {
    group: 'Limits',
    description: 'Calls that may wait for one agent while it works.',
    allowed: 'a whole number from 1 to 10000',
  }),
  MAX_QUEUED_TURNS_TOTAL: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'Calls that may wait for all agents together.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_AGENTS: setting(wholeNumber(1, 1_000_000).default(10_000), {
    group: 'Limits',
    description:
      'Agents there may be, sleeping ones included. Each has files; nobody removes them unless `RETENTION_TIMEOUT` is set.',
    allowed: 'a whole number from 1 to 1000000',
  }),
  MAX_CONCURRENT_CALLS: setting(wholeNumber(1, 100_000).default(512), {
    group: 'Limits',
    description: 'Calls of tools that are answered at the same time, those that wait included.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_EVENT_READERS: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'Streams of events, of turns and of agents, that are open at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_CONNECTIONS: setting(wholeNumber(1, 100_000).default(2048), {
    group: 'Limits',
    description: 'Connections to the server; more are closed at once.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_MCP_SESSIONS: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'MCP clients that may be connected at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MCP_SESSION_IDLE: setting(wholeNumber(1, 604_800).default(3600), {
    group: 'Limits',
    description:
      'Seconds after which an MCP session of Streamable HTTP that nobody uses is closed.',
    allowed: 'a whole number from 1 to 604800',
  }),
  MAX_DIFF_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(256 * 1024), {
    group: 'Limits',
    description: 'Size of the diff of one file in a result; a longer one is cut with a note.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),
  MAX_DIFF_TOTAL_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(4 * MEBIBYTE), {
    group: 'Limits',
    description:
      'Size of the diffs of all files in a result; one that does not fit is left out with a note.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),

  PRICES_FILE: setting(z.string().min(1).optional(), {
    group: 'Budgets',
    description:
      'What models cost: a JSON file like [prices.json](../prices.json), in US dollars for a million tokens. Models that are not in it cost nothing.',
    allowed: 'a readable file',
    shownDefault: 'the prices.json of the server',
  }),
  MONTHLY_BUDGET_LIMIT: setting(amount().default(70), {
    group: 'Budgets',
    description:
      'US dollars that all agents together may cost in a month of UTC. Over a budget, the model is not asked again, in the middle of a turn too.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  PRINCIPAL_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that the agents of one caller may cost in a month.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  PRINCIPAL_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that the agents of one caller may use in a month.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  AGENT_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that one agent may cost in a month.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  AGENT_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that one agent may use in a month.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  TURN_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that one turn may cost.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  TURN_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that one turn may use.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  COST_ALERT_THRESHOLD: setting(z.coerce.number().min(0).max(1).default(0.8), {
    group: 'Budgets',
    description: 'Share of a budget at which the log warns.',
    allowed: 'a number from 0 to 1',
  }),

  AUDIT_RETENTION_DAYS: setting(wholeNumber(0, 36_500).default(365), {
    group: 'Audit',
    description: 'Days that the records of the audit are kept. 0: for ever.',
    allowed: 'a whole number from 0 to 36500',
  }),
  AUDIT_REQUIRED: setting(flag().default(false), {
    group: 'Audit',
    description:
      'Refuse calls while the audit can not be written, and write each record at once. `false`: calls go on, and what could not be written is counted.',
    allowed: 'true or false',
  }),
  REDACT_EMAILS: setting(flag().default(false), {
    group: 'Audit',
    description: 'Take e-mail addresses, besides secrets, out of the audit, turn events and logs.',
    allowed: 'true or false',
  }),

  LOG_LEVEL: setting(
    z
      .string()
      .toLowerCase()
      .transform((level) => (level === 'warning' ? 'warn' : level))
      .pipe(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']))
      .default('info'),
    {
      group: 'Logging',
      description:
        'Least severe log line that is written, in any case. Logs are JSON lines on stderr.',
      allowed: 'trace, debug, info, warn, error, fatal or silent',
    },
  ),
});

export type Config = z.output<typeof settingsSchema>;
export type SettingName = keyof Config;
export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];

/** The description of a setting, for error messages and documents. */
export function settingMeta(name: SettingName): SettingMeta {
  const meta = metas.get(settingsSchema.shape[name]);
  if (!meta) throw new Error(`setting ${name} has no description`);
  return meta;
}

/** The default as documents show it; undefined if a setting has none. */
export function shownDefault(name: SettingName): string | undefined {
  const { shownDefault: shown } = settingMeta(name);
  if (shown !== undefined) return shown;
  const value: unknown = settingsSchema.shape[name].safeParse(undefined).data;
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined;
  return name === 'CONTAINER_MEMORY_LIMIT' ? `${Number(value) / MEBIBYTE}m` : String(value);
}

function setting<T extends z.ZodType>(schema: T, meta: SettingMeta): T {
  metas.add(schema, meta);
  return schema;
}

function wholeNumber(min: number, max: number) {
  return z.coerce.number().int().min(min).max(max);
}

function amount() {
  return z.coerce.number().min(0).max(1e9);
}

function httpUrl() {
  return z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));
}

function directory() {
  return z
    .string()
    .min(1)
    .transform((text) => text.replace(/^~(?=\/|$)/, os.homedir()));
}

function flag() {
  return z.stringbool();
}

function list() {
  return z.string().transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
}

function memorySize() {
  return size().refine((bytes) => bytes >= SMALLEST_SIZE);
}

function diskSize() {
  return size().refine((bytes) => bytes === 0 || bytes >= SMALLEST_SIZE);
}

function size() {
  return z
    .string()
    .regex(/^\d+[bkmg]?$/i)
    .transform((text) => {
      const unit = /[bkmg]$/i.exec(text)?.[0].toLowerCase() ?? 'b';
      return Number.parseInt(text, 10) * (SIZE_UNITS[unit] ?? 1);
    });
}
