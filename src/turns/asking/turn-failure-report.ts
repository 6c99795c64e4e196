import type { TurnFailure } from '../../codex/codex-client.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { UpstreamFailure } from '../../gateway/upstream-failure.ts';

const CODES: Record<TurnFailure['kind'], ErrorCode> = {
  unauthorized: 'model_unauthorized',
  rate_limited: 'model_rate_limited',
  quota_exceeded: 'model_quota_exceeded',
  rejected: 'model_rejected',
  unavailable: 'model_unavailable',
  context_too_long: 'context_too_long',
  other: 'codex_failed',
};

/**
 * Returns the error for the caller of a failed turn. The failure that the gateway saw takes precedence:
 * Codex reports most failures of the provider as one kind.
 */
export function explainFailure(
  failure: TurnFailure,
  upstream: UpstreamFailure | undefined,
): AppError {
  const status = upstream?.status ?? failure.httpStatus;
  return new AppError(upstream?.code ?? CODES[failure.kind], upstream?.message ?? failure.message, {
    cause: failure,
    ...(status !== undefined && { data: { model_status: status } }),
  });
}
