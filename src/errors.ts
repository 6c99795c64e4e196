/** How a failure is shown to each kind of client: one row per code, documented in docs/errors.md. */
export type ErrorRow = {
  /** HTTP status on `/tools`, `/health` and the MCP endpoints. */
  readonly status: number;
  /** JSON-RPC error code where the failure is a protocol error and not a failed tool call. */
  readonly rpc: number;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** Seconds after which to try again, where nobody knows better. */
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
  agent_exists: row(409, INVALID_PARAMS, false, 'Choose another agent id, or leave it out.'),
  candidates_failed: row(502, SERVER_ERROR, false, 'See data.candidates for why each failed.'),
  agent_busy: row(409, SERVER_ERROR, true, 'Wait for its turns to end, or cancel them.'),
  turn_not_found: row(404, INVALID_PARAMS, false, 'List the turns with list_turns.'),
  turn_not_running: row(409, INVALID_PARAMS, false, 'See with get_turn how the turn is.'),
  approval_not_found: row(404, INVALID_PARAMS, false, 'List the approvals with list_approvals.'),
  approval_not_pending: row(409, INVALID_PARAMS, false, 'See with list_approvals how it ended.'),
  approval_declined: row(403, SERVER_ERROR, false, 'Ask for less, or ask who declined it.'),
  approval_expired: row(
    403,
    SERVER_ERROR,
    false,
    'Have an approver ready and call again, ask for less, or raise APPROVAL_TIMEOUT.',
  ),
  thread_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'List the conversations with codex-session-info, or begin one with codex.',
  ),
  skill_not_found: row(404, INVALID_PARAMS, false, 'Name one that the message lists.'),
  idempotency_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Use a new idempotency_key, or repeat the call exactly.',
  ),
  prompt_too_large: row(413, INVALID_PARAMS, false, 'Shorten the input or raise MAX_PROMPT_BYTES.'),
  body_too_large: row(413, INVALID_PARAMS, false, 'Shorten the request or raise MAX_BODY_BYTES.'),
  not_acceptable: row(406, INVALID_PARAMS, false, 'Send `Accept: text/event-stream`, or none.'),
  headers_too_large: row(431, INVALID_PARAMS, false, 'Shorten the headers or the URL.'),
  request_timeout: row(408, SERVER_ERROR, true, 'Send the whole request at once.'),
  unauthorized: row(
    401,
    SERVER_ERROR,
    false,
    'Send a valid token as `Authorization: Bearer TOKEN`; codex-hangar token create makes one.',
  ),
  login_unavailable: busy(503, 10, 'Check that the server reaches OIDC_ISSUER.'),
  too_many_logins: busy(429, 60, 'Wait, and use a valid token.'),
  forbidden: row(403, SERVER_ERROR, false, 'Use a token with a role that allows it.'),
  host_not_allowed: row(403, SERVER_ERROR, false, 'Add the host name to ALLOWED_HOSTS.'),
  origin_not_allowed: row(403, SERVER_ERROR, false, 'Add the origin to ALLOWED_ORIGINS.'),
  session_expired: row(404, -32001, false, 'Initialize a new MCP session.'),
  too_many_clients: busy(503, 10, 'Close idle clients or raise MAX_MCP_SESSIONS.'),
  too_many_calls: busy(503, 5, 'Wait for calls to end, or raise MAX_CONCURRENT_CALLS.'),
  too_many_git_operations: busy(503, 5, 'Try again soon, or raise GIT_MAX_OPERATIONS.'),
  too_many_readers: busy(503, 10, 'Close streams of events, or raise MAX_EVENT_READERS.'),
  too_many_sessions: busy(
    503,
    10,
    'Wait for a running turn to end, or raise MAX_CONCURRENT_SESSIONS.',
  ),
  too_many_agents: row(
    507,
    SERVER_ERROR,
    false,
    'Use an agent that exists, remove old ones with cleanup_inactive_agents or RETENTION_TIMEOUT, or raise MAX_AGENTS.',
  ),
  queue_full: busy(429, 5, 'Wait for the turns queued on this agent to end.'),
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
    'Wait for the next month, ask for less, or have the limit of the budget raised.',
  ),
  rate_limited: busy(429, 10, 'Wait, or have RATE_LIMIT_RPM raised.'),
  quota_exceeded: row(
    429,
    SERVER_ERROR,
    false,
    'End turns, remove agents or delete snapshots of yours, or have the limit raised.',
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
    'Try again, with --device-auth where there is no browser.',
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
    'Let the server write the directory that is named; a login can be renewed with Codex too.',
  ),
  engine_unreachable: busy(
    503,
    10,
    'Start the Docker engine, check DOCKER_HOST, or set AGENT_RUNTIME=process.',
  ),
  engine_failed: row(502, SERVER_ERROR, true, 'See the server log for what the engine answered.'),
  engine_refused: row(
    502,
    SERVER_ERROR,
    false,
    'Give the engine guard the settings of the server; its log tells what it refused.',
  ),
  runtime_missing: row(
    503,
    SERVER_ERROR,
    false,
    'Set CONTAINER_RUNTIME to a runtime that docker info lists, or add it to the engine.',
  ),
  skills_missing: row(
    503,
    SERVER_ERROR,
    false,
    'Set SKILLS_DIR to a directory that the machine of the engine has, or put it back there.',
  ),
  image_missing: row(503, SERVER_ERROR, false, 'Build or pull the image that AGENT_IMAGE names.'),
  image_build_failed: row(
    503,
    SERVER_ERROR,
    false,
    'Read the build output in the server log; behind a TLS-inspecting proxy set EXTRA_CA_CERTS.',
  ),
  name_taken: row(409, SERVER_ERROR, false, 'Remove the foreign container that has this name.'),
  copy_failed: row(500, SERVER_ERROR, false, 'See the log for what could not be copied.'),
  no_space: row(
    507,
    SERVER_ERROR,
    false,
    'Free space on the disk that the files of agents are on.',
  ),
  audit_unavailable: busy(503, 5, 'Free space on the disk of DATA_DIR; see health.'),
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
  container_lost: row(502, SERVER_ERROR, true, 'Call again; the agent starts anew with its files.'),
  out_of_memory: row(502, SERVER_ERROR, false, 'Raise CONTAINER_MEMORY_LIMIT or ask for less.'),
  codex_missing: row(503, SERVER_ERROR, false, 'Install @openai/codex or set CODEX_BIN.'),
  codex_incompatible: row(502, SERVER_ERROR, false, 'Use an image with a supported Codex version.'),
  codex_failed: row(502, SERVER_ERROR, true, 'See the error of the turn; call again.'),
  model_unauthorized: row(
    502,
    SERVER_ERROR,
    false,
    'Check the key or the login at the model provider; health_check says which one is in use.',
  ),
  model_rate_limited: busy(429, 30, 'Wait, or raise the limit at the provider.'),
  model_quota_exceeded: row(402, SERVER_ERROR, false, 'Check plan and billing at the provider.'),
  model_rejected: row(502, SERVER_ERROR, false, 'Check CODEX_MODEL and the input.'),
  model_unavailable: row(502, SERVER_ERROR, true, 'The model provider failed; call again later.'),
  context_too_long: row(422, SERVER_ERROR, false, 'Start a new agent or shorten the input.'),
  output_invalid: row(502, SERVER_ERROR, true, 'The model did not answer in the asked form.'),
  turn_timeout: row(504, SERVER_ERROR, true, 'Raise timeout_seconds or split the task.'),
  turn_interrupted: row(
    409,
    SERVER_ERROR,
    true,
    'The turn was stopped before its end; call again.',
  ),
  cancelled: row(499, SERVER_ERROR, false, 'The caller cancelled this call.'),
  workspace_full: row(
    507,
    SERVER_ERROR,
    false,
    'Have files of the agent deleted from outside, use another agent, or raise CONTAINER_DISK_LIMIT.',
  ),
  workspace_failed: row(
    500,
    SERVER_ERROR,
    true,
    'See the server log for what git answered. A fork bomb that leaves git no process ends when the agent is stopped: cleanup_inactive_agents with older_than_seconds 0 stops idle agents, and keeps their files.',
  ),
  commit_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'See with get_turn what the turn changed, and in its notes why that is in no commit.',
  ),
  revert_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Revert the later turns that changed the same lines first, or have an agent mend the files.',
  ),
  promotion_conflict: row(
    409,
    INVALID_PARAMS,
    false,
    'Revert what changed the same lines, or have the candidate merge it and promote it again.',
  ),
  already_reverted: row(409, INVALID_PARAMS, false, 'See with get_changes what is there now.'),
  workspace_not_empty: row(
    409,
    SERVER_ERROR,
    false,
    'Leave the source out to go on with the files that are there, set its replace to true to lose them, or use another agent.',
  ),
  workspace_exists: row(
    409,
    SERVER_ERROR,
    false,
    'Leave the path out to go on with the workspace there is, or use an agent that never ran.',
  ),
  workspace_mounted: row(
    409,
    SERVER_ERROR,
    false,
    'Leave replace out, or make room in the directory yourself.',
  ),
  workspace_path_denied: row(
    403,
    SERVER_ERROR,
    false,
    'Name a directory within one of WORKSPACE_ROOTS, or have it added there.',
  ),
  workspace_path_taken: row(
    409,
    SERVER_ERROR,
    false,
    'Go on with the agent that is named, remove it, or fork it to have a copy.',
  ),
  workspace_path_unusable: row(
    409,
    SERVER_ERROR,
    false,
    'Put the directory there, and let uid 1000 read and write it.',
  ),
  path_conflict: row(
    409,
    SERVER_ERROR,
    false,
    'Upload to another path, or with replace=true, which loses what is there.',
  ),
  path_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'Give the path of a file or a directory of the workspace.',
  ),
  archive_invalid: row(
    400,
    INVALID_PARAMS,
    false,
    'Make the archive anew without the entry that is named: files, directories and links within the workspace are taken.',
  ),
  upload_too_large: row(
    413,
    INVALID_PARAMS,
    false,
    'Send less, or raise TRANSFER_MAX_BYTES, TRANSFER_MAX_ENTRIES or CONTAINER_DISK_LIMIT.',
  ),
  snapshot_not_found: row(
    404,
    INVALID_PARAMS,
    false,
    'List the snapshots with list_snapshots; those of an agent beyond SNAPSHOTS_PER_AGENT, or older than SNAPSHOT_RETENTION, are removed.',
  ),
  snapshot_too_large: row(
    413,
    SERVER_ERROR,
    false,
    'Have the agent delete what it does not need, or raise SNAPSHOT_MAX_BYTES or TRANSFER_MAX_ENTRIES.',
  ),
  source_denied: row(
    403,
    SERVER_ERROR,
    false,
    'Have the host allowed, with allow_egress or for all agents with EGRESS_ALLOW.',
  ),
  source_unauthorized: row(
    502,
    SERVER_ERROR,
    false,
    'Check the URL, and the credential of its host: codex-hangar credentials set git:HOST.',
  ),
  source_failed: row(502, SERVER_ERROR, true, 'Check URL and ref; the error holds what git said.'),
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

/** Shows a failure to a client. An error that is not ours keeps its text out of the report. */
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

/** Answered 429 or 503, which clients take as a word to wait: it says for how long. */
function busy(status: 429 | 503, retryAfter: number, hint: string): ErrorRow {
  return { status, rpc: SERVER_ERROR, retry: true, retryAfter, hint };
}
