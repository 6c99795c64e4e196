import { z } from 'zod';
import type { Spent } from './spending/spending-store.ts';
import { NO_USAGE, sumOfUsage, type TokenUsage } from './spending/token-usage.ts';
import type { UpstreamFailure } from './upstream-failure.ts';

const count = z.number().nonnegative().nullish().catch(undefined);
const usageSchema = z.object({
  input_tokens: count,
  input_tokens_details: z.object({ cached_tokens: count }).nullish().catch(undefined),
  output_tokens: count,
  output_tokens_details: z.object({ reasoning_tokens: count }).nullish().catch(undefined),
  total_tokens: count,
});

/** Stands for the model if the server is not billed for its tokens. */
export const FREE = null;

/** Records the tokens of one answer; returns their cost. */
export type RecordUsage = (
  model: string | typeof FREE,
  usage: Omit<TokenUsage, 'model_requests'>,
) => Spent;

/** The usage of one agent in a period, and its last failure. */
export class MeteringPeriod {
  #usage: TokenUsage = NO_USAGE;
  readonly #record: RecordUsage | undefined;
  readonly #spent: Spent = { tokens: 0, costUsd: 0 };
  #failure: UpstreamFailure | undefined;
  #outageSince: number | undefined;

  constructor(record?: RecordUsage) {
    this.#record = record;
  }

  /** The cost of the period. */
  get spent(): Spent {
    return { ...this.#spent };
  }

  get usage(): TokenUsage {
    return this.#usage;
  }

  /** The last failure; undefined once an answer has completed after it. */
  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  countRequest(): void {
    this.#usage = sumOfUsage([this.#usage, { model_requests: 1 }]);
  }

  addUsage(usage: unknown, model: unknown): void {
    const parsed = usageSchema.safeParse(usage).data;
    if (!parsed) return;
    const input = parsed.input_tokens ?? 0;
    const output = parsed.output_tokens ?? 0;
    const answer = {
      input_tokens: input,
      cached_input_tokens: parsed.input_tokens_details?.cached_tokens ?? 0,
      output_tokens: output,
      reasoning_output_tokens: parsed.output_tokens_details?.reasoning_tokens ?? 0,
      total_tokens: parsed.total_tokens ?? input + output,
    };
    this.#usage = sumOfUsage([this.#usage, answer]);
    const billed = typeof model === 'string' ? model : 'unknown';
    const spent = this.#record?.(model === FREE ? FREE : billed, answer);
    this.#spent.tokens += answer.total_tokens;
    this.#spent.costUsd += spent?.costUsd ?? 0;
  }

  recordFailure(failure: UpstreamFailure): void {
    this.#failure = failure;
  }

  recordCompletion(): void {
    this.#failure = undefined;
  }

  /** Records a request that met an outage; returns when the outage began. */
  recordOutage(sentAt: number): number {
    this.#outageSince ??= sentAt;
    return this.#outageSince;
  }

  recordAnswer(): void {
    this.#outageSince = undefined;
  }
}
