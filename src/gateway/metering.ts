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

/** In the place of a model whose tokens the server is not billed for. */
export const FREE = null;

/** Counts the tokens of one answer for good; answers what they cost. */
export type RecordUsage = (
  model: string | typeof FREE,
  usage: Omit<TokenUsage, 'model_requests'>,
) => Spent;

/** What one agent got from the model since a moment, and what went wrong last. */
export class MeteringPeriod {
  #usage: TokenUsage = NO_USAGE;
  readonly #record: RecordUsage | undefined;
  readonly #spent: Spent = { tokens: 0, costUsd: 0 };
  #failure: UpstreamFailure | undefined;
  #outageSince: number | undefined;

  /** `record` counts each answer for good, and says what it cost. */
  constructor(record?: RecordUsage) {
    this.#record = record;
  }

  /** What all answers since the beginning cost. */
  get spent(): Spent {
    return { ...this.#spent };
  }

  /** The usage up to now. */
  get usage(): TokenUsage {
    return this.#usage;
  }

  /** The last failure, unless the model has completed an answer after it. */
  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  countRequest(): void {
    this.#usage = sumOfUsage([this.#usage, { model_requests: 1 }]);
  }

  /** Adds the `usage` object of an answer of a model. */
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

  /** Notes that a request failed which was sent at a time; answers since when the provider is away. */
  recordOutage(sentAt: number): number {
    this.#outageSince ??= sentAt;
    return this.#outageSince;
  }

  recordAnswer(): void {
    this.#outageSince = undefined;
  }
}
