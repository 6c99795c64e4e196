import type { IncomingHttpHeaders } from 'node:http';
import type { UpstreamFailure } from './upstream-failure.ts';

/**
 * How long an outage of the model is hidden from Codex. Codex waits without limit only while a
 * connection is refused, and that is the tunnel's to say; a connection that is reset counts as one of
 * its five retries (measured with 0.169: the turn fails after 27 s), and so does a 5xx. A request that
 * gets no answer it bears for far longer, so the gateway holds it and asks again meanwhile.
 */
export const OUTAGE_TIMEOUT_MS = 120_000;

/** Answers of a provider, or of a proxy before it, that is away for the moment. */
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
  /** How often the provider has answered this request with 429. */
  rateLimited: number;
  /** How often this request met an outage. */
  outages: number;
  /** For how long the provider has been away, over all requests of the turn. */
  outageMs: number;
};

/** Whether a failure is an outage, which passes without anybody changing the request. */
export function isOutage({ status }: UpstreamFailure): boolean {
  return status === undefined || OUTAGE_STATUSES.has(status);
}

/** Milliseconds to wait before the request is sent again, or undefined to hand the failure on. */
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

/** What the provider asks to wait, if it does. */
export function askedWait(headers: IncomingHttpHeaders, now: number): number | undefined {
  const milliseconds = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (milliseconds >= 0) return milliseconds;
  const asked = headers['retry-after'];
  if (asked === undefined) return undefined;
  const waitMs = /^\d/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** Whether a failure is a rate limit, which passes with time; a used-up quota does not. */
function isRateLimit({ status, code }: UpstreamFailure): boolean {
  return status === 429 && code === 'model_rate_limited';
}

/** Spreads requests that failed together, so that they do not come back together. */
function jittered(waitMs: number): number {
  return waitMs * (0.75 + Math.random() / 2);
}
