import type { IncomingHttpHeaders } from 'node:http';
import type { UpstreamFailure } from './upstream-failure.ts';

/**
 * How long the gateway retries during an outage while Codex waits. A reset connection or a 5xx would
 * cost Codex one of its five retries (measured with 0.169: the turn fails after 27 s). A request without
 * an answer may wait far longer, so the gateway holds the request.
 */
export const OUTAGE_TIMEOUT_MS = 120_000;

/** Statuses of a provider, or its proxy, that is unavailable for now. */
const OUTAGE_STATUSES = new Set([502, 503, 504, 529]);
const OUTAGE_FIRST_WAIT_MS = 250;
const OUTAGE_LONGEST_WAIT_MS = 5000;
const RATE_LIMIT_FIRST_WAIT_MS = 1000;

export type RetryLimits = {
  maxRetries: number;
  maxRetryWaitSeconds: number;
  outageTimeoutMs: number;
};

export type Attempts = {
  /** 429 answers to this request. */
  rateLimited: number;
  /** Outages that this request met. */
  outages: number;
  /** Duration of the outage, over all requests of the turn. */
  outageMs: number;
};

/** Whether the provider is unavailable, so that the same request may succeed later. */
export function isOutage({ status }: UpstreamFailure): boolean {
  return status === undefined || OUTAGE_STATUSES.has(status);
}

/** Milliseconds until the retry; undefined to return the failure to Codex. */
export function retryWait(
  failure: UpstreamFailure,
  attempts: Attempts,
  limits: RetryLimits,
  askedWaitMs: number | undefined,
): number | undefined {
  const longestMs = limits.maxRetryWaitSeconds * 1000;
  if (isRateLimit(failure)) {
    if (attempts.rateLimited > limits.maxRetries) return undefined;
    const ownWaitMs = jittered(RATE_LIMIT_FIRST_WAIT_MS * 2 ** (attempts.rateLimited - 1));
    return Math.min(askedWaitMs ?? ownWaitMs, longestMs);
  }
  if (!isOutage(failure) || attempts.outageMs >= limits.outageTimeoutMs) return undefined;
  const ownWaitMs = jittered(OUTAGE_FIRST_WAIT_MS * 2 ** (attempts.outages - 1));
  return Math.min(askedWaitMs ?? ownWaitMs, OUTAGE_LONGEST_WAIT_MS, longestMs);
}

/** The wait that the provider asks for, in milliseconds. */
export function askedWait(headers: IncomingHttpHeaders, now: number): number | undefined {
  const milliseconds = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (milliseconds >= 0) return milliseconds;
  const asked = headers['retry-after'];
  if (asked === undefined) return undefined;
  const waitMs = /^\d/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** A rate limit ends with time; an exhausted quota does not. */
function isRateLimit({ status, code }: UpstreamFailure): boolean {
  return status === 429 && code === 'model_rate_limited';
}

/** Spreads retries of requests that failed together. */
function jittered(waitMs: number): number {
  return waitMs * (0.75 + Math.random() / 2);
}
