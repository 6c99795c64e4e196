import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { Principal } from '../identity/principal.ts';

const WINDOW_SECONDS = 60;

/** What is left of a limit, for the `RateLimit` headers. */
export type RateState = { limit: number; remaining: number; resetSeconds: number };

/** Limits calls to each agent, and requests of each caller. 0: no limit. */
export class RateLimits {
  readonly #calls: Limiter;
  readonly #requests: Limiter;

  constructor(config: Pick<Config, 'RATE_LIMIT_RPM' | 'REQUEST_LIMIT_RPM'>) {
    this.#calls = new Limiter(config.RATE_LIMIT_RPM, 'calls of this agent');
    this.#requests = new Limiter(config.REQUEST_LIMIT_RPM, 'requests of yours');
  }

  /** Counts a call that runs a turn. Throws `rate_limited`. */
  async takeCall(principal: Principal, agentName: AgentName): Promise<void> {
    await this.#calls.take(`${principal.id}\n${agentName}`);
  }

  /** Counts a request over any transport. Throws `rate_limited`. */
  takeRequest(principal: Principal): Promise<RateState | undefined> {
    return this.#requests.take(principal.id);
  }
}

class Limiter {
  readonly #limiter: RateLimiterMemory | undefined;
  readonly #limit: number;
  readonly #what: string;

  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
    this.#limiter =
      limit === 0 ? undefined : new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS });
  }

  async take(key: string): Promise<RateState | undefined> {
    try {
      const state = await this.#limiter?.consume(key);
      return state && this.#stateOf(state);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const { limit, resetSeconds } = this.#stateOf(error);
      throw new AppError('rate_limited', `There were ${limit} ${this.#what} in this minute.`, {
        cause: error,
        data: { limit, retry_after_seconds: resetSeconds },
      });
    }
  }

  #stateOf({ remainingPoints, msBeforeNext }: RateLimiterRes): RateState {
    const resetSeconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
    return { limit: this.#limit, remaining: Math.max(0, remainingPoints), resetSeconds };
  }
}
