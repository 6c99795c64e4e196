import { z } from 'zod';
import type { TurnFailure } from '../codex-client.ts';
import type { TurnError } from '../protocol.ts';

type Kind = TurnFailure['kind'];

const KIND_OF_WORD: Readonly<Record<string, Kind>> = {
  unauthorized: 'unauthorized',
  rateLimitExceeded: 'rate_limited',
  usageLimitExceeded: 'quota_exceeded',
  sessionBudgetExceeded: 'quota_exceeded',
  badRequest: 'rejected',
  modelNotFound: 'rejected',
  cyberPolicy: 'rejected',
  misalignmentPolicyViolation: 'rejected',
  inferenceHookDenied: 'rejected',
  serverOverloaded: 'unavailable',
  internalServerError: 'unavailable',
  flexUnavailable: 'unavailable',
  policyCapacityUnavailable: 'unavailable',
  httpConnectionFailed: 'unavailable',
  responseStreamConnectionFailed: 'unavailable',
  responseStreamDisconnected: 'unavailable',
  responseTooManyFailedAttempts: 'unavailable',
  contextWindowExceeded: 'context_too_long',
};

const withStatus = z.object({ httpStatusCode: z.number() });

/** The address of the gateway inside of the container is of no use to callers. */
const REQUEST_URL = /, url: [^\s,]+/;

/** Codex passes on the body of a response that it does not classify, such as a 400. */
const providerBody = z.object({ error: z.object({ message: z.string() }) });

export function toTurnFailure(error: TurnError | null | undefined): TurnFailure {
  if (!error) return { kind: 'other', message: 'The turn failed and Codex gave no reason.' };
  const { word, httpStatus } = readInfo(error.codexErrorInfo ?? 'other');
  const body = parseBody(error.message);
  const kind =
    kindOfStatus(httpStatus) ??
    KIND_OF_WORD[word] ??
    (body ? 'rejected' : kindOfMessage(error.message));
  return {
    kind,
    message: body ?? error.message.replace(REQUEST_URL, ''),
    ...(httpStatus && { httpStatus }),
  };
}

function readInfo(info: NonNullable<TurnError['codexErrorInfo']>) {
  if (typeof info === 'string') return { word: info, httpStatus: undefined };
  const [word = 'other', details] = Object.entries(info)[0] ?? [];
  return { word, httpStatus: withStatus.safeParse(details).data?.httpStatusCode };
}

function kindOfStatus(status = 0): Kind | undefined {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 402) return 'quota_exceeded';
  if (status === 429) return 'rate_limited';
  if (status === 413) return 'context_too_long';
  if (status >= 500) return 'unavailable';
  return status >= 400 ? 'rejected' : undefined;
}

function kindOfMessage(message: string): Kind {
  return message.includes('stream disconnected') ? 'unavailable' : 'other';
}

function parseBody(message: string): string | undefined {
  try {
    return providerBody.safeParse(JSON.parse(message)).data?.error.message;
  } catch {
    return undefined;
  }
}
