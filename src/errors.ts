/** How each kind of client is told of a failure. docs/errors.md is made from these rows. */
export type ErrorRow = {
  readonly status: number;
  /** JSON-RPC error code of a request that fails before a tool is called. */
  readonly rpc: number;
  /** Whether the same request may succeed later without a change. */
  readonly retry: boolean;
  /** Seconds after which to retry, unless the error says otherwise. */
  readonly retryAfter?: number;
  /** One sentence that says what to do. */
  readonly hint: string;
};

const INVALID_PARAMS = -32602;
const SERVER_ERROR = -32000;

export const ERRORS = {
  invalid_input: row(400, INVALID_PARAMS, false, 'Correct the named field and call again.'),
  unknown_tool: row(404, INVALID_PARAMS, false, 'List the tools with tools/list or GET /tools.'),
  not_found: row(404, -32601, false, 'Check the path; GET /tools lists what can be called.'),
  agent_not_found: row(404, INVALID_PARAMS, false, 'List the agents with list_sessions.'),
  agent_exists: row(409, INVALID_PARAMS, false, 'Choose another agent_id, or omit it.'),
  candidates_failed: row(502, SERVER_ERROR, false, 'Read in data.candidates why each one failed.'),
  agent_busy: row(409, SERVER_ERROR, true, 'Wait for its turns to end, or cancel them.'),
  turn_not_found: row(404, INVALID_PARAMS, false, 'List the turns with list_turns.'),
  turn_not_running: row(409, INVALID_PARAMS, false, 'Call get_turn for the state of the turn.'),
  approval_not_found: row(404, INVALID_PARAMS, false, 'List the approvals with list_approvals.'),
  approval_not_pending: row(409, INVALID_PARAMS, false, 'Call list_approvals to see how it ended.'),
  approval_declined: row(403, SERVER_ERROR, false, 'Request less, or ask the approver why.'),
  approval_expired: row(
    403,
    SERVER_ERROR,
    false,
    'Have an approver ready and call again, request less, or raise APPROVAL_TIMEOUT.',
  ),
  thread_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'List conversations with codex-session-info, or start one.',
  ),
  skill_not_found: row(404, INVALID_PARAMS, false, 'Name a skill that the message lists.'),
  idempotency_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Use a new idempotency_key, or repeat the call exactly.',
  ),
  prompt_too_large: row(413, INVALID_PARAMS, false, 'Shorten the input or raise MAX_PROMPT_BYTES.'),
  body_too_large: row(413, INVALID_PARAMS, false, 'Shorten the request or raise MAX_BODY_BYTES.'),
  not_acceptable: row(
    406,
    INVALID_PARAMS,
    false,
    'Send `Accept: text/event-stream`, or no Accept.',
  ),
  headers_too_large: row(431, INVALID_PARAMS, false, 'Shorten the headers or the URL.'),
  request_timeout: row(408, SERVER_ERROR, true, 'Send the whole request without a pause.'),
  unauthorized: row(
    401,
    SERVER_ERROR,
    false,
    'Send a valid token as `Authorization: Bearer TOKEN`; codex-hangar token create makes one.',
  ),
  login_unavailable: busy(503, 10, 'Check that the server reaches OIDC_ISSUER.'),
  too_many_logins: busy(429, 60, 'Wait a minute, then send a valid token.'),
  forbidden: row(403, SERVER_ERROR, false, 'Use a token with a role that allows it.'),
  host_not_allowed: row(403, SERVER_ERROR, false, 'Add the host name to ALLOWED_HOSTS.'),
  origin_not_allowed: row(403, SERVER_ERROR, false, 'Add the origin to ALLOWED_ORIGINS.'),
  session_expired: row(404, -32001, false, 'Initialize a new MCP session.'),
  too_many_clients: busy(503, 10, 'Disconnect idle MCP clients, or raise MAX_MCP_SESSIONS.'),
  too_many_calls: busy(503, 5, 'Wait for calls to end, or raise MAX_CONCURRENT_CALLS.'),
  too_many_git_operations: busy(503, 5, 'Try again soon, or raise GIT_MAX_OPERATIONS.'),
  too_many_readers: busy(503, 10, 'Close event streams, or raise MAX_EVENT_READERS.'),
  too_many_sessions: busy(
    503,
    10,
    'Wait for a running turn to end, or raise MAX_CONCURRENT_SESSIONS.',
  ),
  too_many_agents: row(
    507,
    SERVER_ERROR,
    false,
    'Use an existing agent, remove old ones with cleanup_inactive_agents or RETENTION_TIMEOUT, or raise MAX_AGENTS.',
  ),
  queue_full: busy(429, 5, 'Wait for queued turns of the agent, or raise MAX_QUEUED_TURNS.'),
  server_queue_full: busy(
    503,
    5,
    'Wait for turns of any agent to end, or raise MAX_QUEUED_TURNS_TOTAL.',
  ),
  shutting_down: busy(503, 5, 'Call again once the server is back.'),
  budget_exceeded: row(
    402,
    SERVER_ERROR,
    false,
    'Wait for the next month, shorten the task, or ask the operator to raise the budget.',
  ),
  rate_limited: busy(429, 10, 'Wait, or ask the operator to raise RATE_LIMIT_RPM.'),
  quota_exceeded: row(
    429,
    SERVER_ERROR,
    false,
    'End turns, remove agents or delete snapshots, or ask the operator to raise the limit.',
  ),
  credentials_missing: row(
    503,
    SERVER_ERROR,
    false,
    'Log in with `codex-hangar login`, or set OPENAI_API_KEY and restart the server.',
  ),
  credentials_unreadable: row(
    503,
    SERVER_ERROR,
    false,
    'Set the CREDENTIALS_KEY that they were stored with, or store the keys anew with `codex-hangar credentials`.',
  ),
  login_failed: row(
    503,
    SERVER_ERROR,
    false,
    'Try again; without a browser on this machine, use --device-auth.',
  ),
  login_revoked: row(
    503,
    SERVER_ERROR,
    false,
    'Log in again with `codex-hangar login` or `codex login`; the server takes the new login by itself.',
  ),
  login_read_only: row(
    503,
    SERVER_ERROR,
    false,
    'Give the server write access to the directory that the message names, or renew the login with Codex.',
  ),
  engine_unreachable: busy(
    503,
    10,
    'Start the Docker engine, check DOCKER_HOST, or set AGENT_RUNTIME=process.',
  ),
  engine_failed: row(502, SERVER_ERROR, true, 'See the server log for the answer of the engine.'),
  engine_refused: row(
    502,
    SERVER_ERROR,
    false,
    'Start the engine guard with the settings of the server; the log of the guard names what it refused.',
  ),
  runtime_missing: row(
    503,
    SERVER_ERROR,
    false,
    'Set CONTAINER_RUNTIME to a runtime that `docker info` lists, or install the runtime on the engine.',
  ),
  skills_missing: row(
    503,
    SERVER_ERROR,
    false,
    'Create the directory on the machine of the engine, or set SKILLS_DIR to one that exists there.',
  ),
  image_missing: row(503, SERVER_ERROR, false, 'Build or pull the image that AGENT_IMAGE names.'),
  image_build_failed: row(
    503,
    SERVER_ERROR,
    false,
    'Read the build output in the server log; behind a TLS-inspecting proxy set EXTRA_CA_CERTS.',
  ),
  name_taken: row(409, SERVER_ERROR, false, 'Remove the foreign container of this name.'),
  copy_failed: row(500, SERVER_ERROR, false, 'See the server log for what could not be copied.'),
  no_space: row(507, SERVER_ERROR, false, 'Free space on the disk of agents.'),
  audit_unavailable: busy(503, 5, 'Free space on the disk of DATA_DIR; see health_check.'),
  storage_full: row(
    507,
    SERVER_ERROR,
    true,
    'Free space on the disk of DATA_DIR and call again; no restart is needed.',
  ),
  start_timeout: row(
    504,
    SERVER_ERROR,
    true,
    'See the container log, or raise CONTAINER_STARTUP_TIMEOUT.',
  ),
  container_lost: row(502, SERVER_ERROR, true, 'Call again; the agent restarts with its files.'),
  out_of_memory: row(502, SERVER_ERROR, false, 'Raise CONTAINER_MEMORY_LIMIT, or split the task.'),
  codex_missing: row(503, SERVER_ERROR, false, 'Install @openai/codex or set CODEX_BIN.'),
  codex_incompatible: row(502, SERVER_ERROR, false, 'Use an image with a supported Codex version.'),
  codex_failed: row(502, SERVER_ERROR, true, 'Read the error of the turn, and call again.'),
  model_unauthorized: row(
    502,
    SERVER_ERROR,
    false,
    'Check the key or the login at the model provider; health_check says which one is in use.',
  ),
  model_rate_limited: busy(429, 30, 'Wait, or raise the limit at the model provider.'),
  model_quota_exceeded: row(402, SERVER_ERROR, false, 'Check your plan at the model provider.'),
  model_rejected: row(502, SERVER_ERROR, false, 'Check CODEX_MODEL and the input.'),
  model_unavailable: row(502, SERVER_ERROR, true, 'Call again later: the provider failed.'),
  context_too_long: row(422, SERVER_ERROR, false, 'Start a new agent or shorten the input.'),
  output_invalid: row(502, SERVER_ERROR, true, 'Call again: the answer did not match the schema.'),
  turn_timeout: row(504, SERVER_ERROR, true, 'Raise timeout_seconds or split the task.'),
  turn_interrupted: row(409, SERVER_ERROR, true, 'Call again: the turn was stopped.'),
  cancelled: row(499, SERVER_ERROR, false, 'Call again if you still need the result.'),
  workspace_full: row(
    507,
    SERVER_ERROR,
    false,
    'Delete files of the agent from outside, use another agent, or raise CONTAINER_DISK_LIMIT.',
  ),
  workspace_failed: row(
    500,
    SERVER_ERROR,
    true,
    'See the server log for the answer of git. If a fork bomb leaves git no process, stop the agent: cleanup_inactive_agents with older_than_seconds 0 stops idle agents and keeps their files.',
  ),
  commit_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'Call get_turn: the result shows what the turn changed, and its notes say why no commit has that.',
  ),
  revert_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Revert the later turns that changed the same lines first, or have an agent fix the files.',
  ),
  promotion_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Revert the changes to the same lines, or have the candidate merge them, and promote it again.',
  ),
  already_reverted: row(409, INVALID_PARAMS, false, 'Call get_changes for the current changes.'),
  workspace_not_empty: row(
    409,
    SERVER_ERROR,
    false,
    'Omit source to keep the files, set replace of source to true to delete them, or use another agent.',
  ),
  workspace_exists: row(
    409,
    SERVER_ERROR,
    false,
    'Omit the path to keep the workspace of the agent, or use an agent that has never run.',
  ),
  workspace_mounted: row(
    409,
    SERVER_ERROR,
    false,
    'Omit replace, or empty the directory yourself.',
  ),
  workspace_path_denied: row(
    403,
    SERVER_ERROR,
    false,
    'Name a directory within WORKSPACE_ROOTS, or ask the operator to add one.',
  ),
  workspace_path_taken: row(
    409,
    SERVER_ERROR,
    false,
    'Use the agent that the message names, remove it, or fork it for a copy.',
  ),
  workspace_path_unusable: row(
    409,
    SERVER_ERROR,
    false,
    'Create the directory, and give uid 1000 read and write access.',
  ),
  path_conflict: row(
    409,
    SERVER_ERROR,
    false,
    'Upload to another path, or set replace=true to delete what is there.',
  ),
  path_not_found: row(404, INVALID_PARAMS, false, 'Name a file or directory of the workspace.'),
  archive_invalid: row(
    400,
    INVALID_PARAMS,
    false,
    'Remove the entry that the message names from the archive: only files, directories and links within the workspace are accepted.',
  ),
  upload_too_large: row(
    413,
    INVALID_PARAMS,
    false,
    'Send fewer bytes and files, or raise TRANSFER_MAX_BYTES, TRANSFER_MAX_ENTRIES or CONTAINER_DISK_LIMIT.',
  ),
  snapshot_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'List the snapshots with list_snapshots. The server removes those beyond SNAPSHOTS_PER_AGENT or older than SNAPSHOT_RETENTION.',
  ),
  snapshot_too_large: row(
    413,
    SERVER_ERROR,
    false,
    'Delete files of the agent, or raise SNAPSHOT_MAX_BYTES or TRANSFER_MAX_ENTRIES.',
  ),
  source_denied: row(
    403,
    SERVER_ERROR,
    false,
    'Allow the host with allow_egress, or for all agents with EGRESS_ALLOW.',
  ),
  source_unauthorized: row(
    502,
    SERVER_ERROR,
    false,
    'Check the URL, and the credential of its host: codex-hangar credentials set git:HOST.',
  ),
  source_failed: row(502, SERVER_ERROR, true, 'Check the URL and the ref; the message quotes git.'),
  internal: row(500, -32603, true, 'See the server log for this correlation id.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** A failure with a code of {@link ERRORS}; `message` is meant for the user, `cause` for the log. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  /** Facts a program can use, such as `retry_after_seconds` or `issues`. Never secrets. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; data?: Record<string, unknown> } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** What a client is told of a failure, over every transport. */
export type ErrorReport = {
  code: ErrorCode;
  message: string;
  hint: string;
  retryable: boolean;
  correlation_id?: string;
  [fact: string]: unknown;
};

/** The report of a failure. The text of an error other than {@link AppError} is not in it. */
export function reportError(error: unknown, correlationId?: string): ErrorReport {
  const { code, message, data } = toAppError(error);
  const { hint, retry, retryAfter }: ErrorRow = ERRORS[code];
  return {
    ...(retryAfter !== undefined && { retry_after_seconds: retryAfter }),
    ...data,
    code,
    message,
    hint,
    retryable: retry,
    ...(correlationId && { correlation_id: correlationId }),
  };
}

export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('internal', 'The server failed in an unexpected way.', { cause: error });
}

function row(status: number, rpc: number, retry: boolean, hint: string): ErrorRow {
  return { status, rpc, retry, hint };
}

/** A 429 or 503, which tells clients to wait, and for how long. */
function busy(status: 429 | 503, retryAfter: number, hint: string): ErrorRow {
  return { status, rpc: SERVER_ERROR, retry: true, retryAfter, hint };
}
