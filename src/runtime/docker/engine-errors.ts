import { AppError, type ErrorCode } from '../../errors.ts';
import { DISK_FULL } from '../disk-full.ts';
import { tlsFailure } from './tls-failure.ts';

const TIMED_OUT = 'TIMED_OUT';

const UNREACHABLE = new Set([
  TIMED_OUT,
  'EACCES',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPERM',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Error codes by status and text of a response; the first match counts. */
const RESPONSES: readonly { status?: number; text?: RegExp; code: ErrorCode }[] = [
  { text: DISK_FULL, code: 'no_space' },
  { status: 400, text: /unknown( or invalid)? runtime/i, code: 'runtime_missing' },
  { text: /bind source path does not exist/i, code: 'skills_missing' },
  { status: 400, text: /HTTP request to an HTTPS server/i, code: 'engine_unreachable' },
  { status: 403, code: 'engine_refused' },
  { status: 404, text: /no such image/i, code: 'image_missing' },
  { status: 404, text: /no such (container|exec)/i, code: 'container_lost' },
  { status: 409, text: /already in use by container/i, code: 'name_taken' },
  { status: 409, text: /not running|is paused/i, code: 'container_lost' },
  // The container stopped during the call.
  { status: 500, text: /container.* not running/i, code: 'container_lost' },
  // A proxy in front of the engine does not reach it.
  { status: 502, code: 'engine_unreachable' },
];

type EngineFailure = { message: string; status?: number; code?: string };

/** Turns the error of a call into an AppError; `doing` completes "The Docker engine failed to …". */
export function engineError(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error;
  const failure = describe(error);
  const { status, code } = failure;
  const reason = status === undefined && code ? unreachable(code, failure.message) : undefined;
  if (reason) return new AppError('engine_unreachable', reason, { cause: error });
  const message = `The Docker engine failed to ${doing}: ${failure.message}`;
  return new AppError(codeOf(failure), message, { cause: error });
}

/** HTTP status of a failed call; undefined without a response. */
export function engineStatus(error: unknown): number | undefined {
  return describe(error instanceof AppError ? error.cause : error).status;
}

function codeOf({ message, status }: EngineFailure): ErrorCode {
  const response = RESPONSES.find(
    (each) => (each.status ?? status) === status && (each.text?.test(message) ?? true),
  );
  return response?.code ?? 'engine_failed';
}

function unreachable(code: string, message: string): string | undefined {
  if (!UNREACHABLE.has(code)) return tlsFailure(code, message);
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'This user has no access to the Docker engine: add the user to the group docker.';
    case 'ENOENT':
      return 'The socket of the Docker engine does not exist.';
    case TIMED_OUT:
      return 'The Docker engine did not answer in time.';
    default:
      return `The Docker engine cannot be reached (${code}).`;
  }
}

function describe(error: unknown): EngineFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  if (error.name === 'TimeoutError' || error.name === 'AbortError') {
    return { message: error.message, code: TIMED_OUT };
  }
  const { statusCode, code, json } = error as Error & Record<string, unknown>;
  return {
    message: textOf(json) ?? error.message.trim(),
    ...(typeof statusCode === 'number' && { status: statusCode }),
    ...(typeof code === 'string' && { code }),
  };
}

function textOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('message' in body)) return undefined;
  return typeof body.message === 'string' ? body.message : undefined;
}
