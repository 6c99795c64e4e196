import { AppError, type ErrorCode } from '../../errors.ts';

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

const NO_SPACE = /no space left on device|disk quota exceeded/i;

/** What the engine, its connection or docker-modem reports, as far as it is known. */
type EngineFailure = { message: string; status?: number; code?: string };

/** Turns a failed call into an error with a code; `doing` completes "The engine failed to …". */
export function engineError(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error;
  const failure = describe(error);
  const { status, code } = failure;
  if (status === undefined && code && UNREACHABLE.has(code)) {
    return new AppError('engine_unreachable', unreachable(code), { cause: error });
  }
  const message = `The Docker engine failed to ${doing}: ${failure.message}`;
  return new AppError(codeOf(failure), message, { cause: error });
}

/** HTTP status of a failed call, if the engine answered. */
export function engineStatus(error: unknown): number | undefined {
  return describe(error instanceof AppError ? error.cause : error).status;
}

/** Whether the text of a build or pull reports a full disk. */
export function saysNoSpace(text: string): boolean {
  return NO_SPACE.test(text);
}

function codeOf({ message, status }: EngineFailure): ErrorCode {
  if (NO_SPACE.test(message)) return 'no_space';
  if (status === 404 && /no such image/i.test(message)) return 'image_missing';
  if (status === 404 && /no such (container|exec)/i.test(message)) return 'container_lost';
  if (status === 409 && /already in use by container/i.test(message)) return 'name_taken';
  // 500: it ended between two steps of the engine.
  if (status === 500 && /container.* not running/i.test(message)) return 'container_lost';
  if (status === 409 && /not running|is paused/i.test(message)) return 'container_lost';
  return 'engine_failed';
}

function unreachable(code: string): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'The Docker engine may not be used by this user: add it to the group docker.';
    case 'ENOENT':
      return 'There is no Docker engine: its socket does not exist.';
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
