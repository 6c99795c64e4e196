import { z } from 'zod';
import type { TokenUsage } from '../turns/turn-event.ts';
import type { UpstreamFailure } from './upstream-failure.ts';

const count = z.number().nonnegative().nullish().catch(undefined);
const usageSchema = z.object({
  input_tokens: count,
  input_tokens_details: z.object({ cached_tokens: count }).nullish().catch(undefined),
  output_tokens: count,
  output_tokens_details: z.object({ reasoning_tokens: count }).nullish().catch(undefined),
  total_tokens: count,
});

/** What one agent got from the model since a moment, and what went wrong last. */
export class MeteringPeriod {
  readonly #usage: TokenUsage = {
    input_tokens: 0,
    cached_input_tokens: 0,
    output_tokens: 0,
    reasoning_output_tokens: 0,
    total_tokens: 0,
    model_requests: 0,
  };
  #failure: UpstreamFailure | undefined;
  #outageSince: number | undefined;

  /** The usage up to now. */
  get usage(): TokenUsage {
    return { ...this.#usage };
  }

  /** The last failure, unless the model has completed an answer after it. */
  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  countRequest(): void {
    this.#usage.model_requests += 1;
  }

  /** Adds the `usage` object of an answer. */
  addUsage(usage: unknown): void {
    const parsed = usageSchema.safeParse(usage).data;
    if (!parsed) return;
    const input = parsed.input_tokens ?? 0;
    const output = parsed.output_tokens ?? 0;
    this.#usage.input_tokens += input;
    this.#usage.output_tokens += output;
    this.#usage.cached_input_tokens += parsed.input_tokens_details?.cached_tokens ?? 0;
    this.#usage.reasoning_output_tokens += parsed.output_tokens_details?.reasoning_tokens ?? 0;
    this.#usage.total_tokens += parsed.total_tokens ?? input + output;
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
