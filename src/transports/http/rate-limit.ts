import type { FastifyInstance, FastifyReply } from 'fastify';
import type { RateLimits, RateState } from '../../callers/rate-limits.ts';
import { AppError } from '../../errors.ts';
import { isKnown } from './authentication.ts';

/** Counts the requests of each caller and sends what is left. Public routes are not counted. */
export function limitRates(app: FastifyInstance, rates: Pick<RateLimits, 'takeRequest'>): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config?.isPublic || !isKnown(request)) return;
    try {
      const state = await rates.takeRequest(request.principal);
      if (state) tell(reply, state);
    } catch (error) {
      if (error instanceof AppError) tellRefusal(reply, error);
      throw error;
    }
  });
}

/** The headers of the RateLimit draft of the IETF. `Retry-After` is set with the error. */
function tell(reply: FastifyReply, { limit, remaining, resetSeconds }: RateState): void {
  reply.headers({
    'ratelimit-limit': limit,
    'ratelimit-remaining': remaining,
    'ratelimit-reset': resetSeconds,
    'ratelimit-policy': `${limit};w=60`,
  });
}

function tellRefusal(reply: FastifyReply, { data }: AppError): void {
  const { limit, retry_after_seconds } = data;
  if (typeof limit !== 'number' || typeof retry_after_seconds !== 'number') return;
  tell(reply, { limit, remaining: 0, resetSeconds: retry_after_seconds });
}
