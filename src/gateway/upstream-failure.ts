import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';

/** A failed model request. */
export type UpstreamFailure = {
  /** Undefined if there was no answer. */
  status: number | undefined;
  code: ErrorCode;
  /** The message of the provider, without secrets. */
  message: string;
};

const MESSAGE_LENGTH = 500;

const QUOTA_CODES = new Set([
  'billing_hard_limit_reached',
  'insufficient_quota',
  'usage_limit_reached',
  'usage_not_included',
]);
const RATE_LIMIT_CODES = new Set(['rate_limit_exceeded', 'slow_down']);
const REJECTED_CODES = new Set(['invalid_prompt', 'invalid_request_error', 'cyber_policy']);

const text = z.string().nullish().catch(undefined);
const errorSchema = z.object({ message: text, type: text, code: text });
const bodySchema = z.union([
  z.object({ error: errorSchema }).transform(({ error }) => error),
  z.object({ error: z.string() }).transform(({ error }) => ({ message: error })),
  z.object({ detail: z.string() }).transform(({ detail }) => ({ message: detail })),
]);
type ProviderError = { message?: string | null; type?: string | null; code?: string | null };

/** The failure of an answer with an error status. */
export function failureOfAnswer(status: number, body: string): UpstreamFailure {
  const error = parseError(body) ?? { message: body };
  const refusesKey = status === 401 || status === 403;
  return {
    status,
    code: refusesKey ? 'model_unauthorized' : (codeOf(error) ?? codeOfStatus(status)),
    message: (error.message || `The model provider answered ${status}.`).slice(0, MESSAGE_LENGTH),
  };
}

/** The failure of a `response.failed` event, which has status 200. */
export function failureOfEvent(error: unknown): UpstreamFailure {
  const parsed = errorSchema.safeParse(error).data ?? {};
  return {
    status: 200,
    code: codeOf(parsed) ?? 'model_unavailable',
    message: (parsed.message || 'The model provider gave up the answer.').slice(0, MESSAGE_LENGTH),
  };
}

/** The failure of a connection that was not made or broke. */
export function failureOfConnection(error: NodeJS.ErrnoException): UpstreamFailure {
  // An AggregateError, one error for each address of a host, has no text of its own.
  const reason = error.message || error.code || 'no connection';
  return {
    status: undefined,
    code: 'model_unavailable',
    message: `The model provider cannot be reached: ${reason}`.slice(0, MESSAGE_LENGTH),
  };
}

function parseError(body: string): ProviderError | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

function codeOf(error: ProviderError): ErrorCode | undefined {
  const names = [error.code, error.type].filter((name) => typeof name === 'string');
  if (names.some((name) => QUOTA_CODES.has(name))) return 'model_quota_exceeded';
  if (names.includes('context_length_exceeded')) return 'context_too_long';
  if (names.some((name) => RATE_LIMIT_CODES.has(name))) return 'model_rate_limited';
  if (names.includes('invalid_api_key')) return 'model_unauthorized';
  if (names.some((name) => REJECTED_CODES.has(name))) return 'model_rejected';
  return undefined;
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 402) return 'model_quota_exceeded';
  if (status === 429) return 'model_rate_limited';
  return status >= 500 ? 'model_unavailable' : 'model_rejected';
}
