import fs from 'node:fs';
import { z } from 'zod';
import type { TokenUsage } from './token-usage.ts';

const perMillion = z.number().nonnegative();
const pricesSchema = z.record(
  z.string(),
  z.strictObject({ input: perMillion, cached_input: perMillion, output: perMillion }),
);

export type PricedUsage = Pick<
  TokenUsage,
  'input_tokens' | 'cached_input_tokens' | 'output_tokens'
>;

/** Prices of models in US dollars per million tokens, from a file. */
export class Prices {
  readonly #prices: z.output<typeof pricesSchema>;

  constructor(prices: z.output<typeof pricesSchema>) {
    this.#prices = prices;
  }

  static read(file: string | URL): Prices {
    try {
      return new Prices(pricesSchema.parse(JSON.parse(fs.readFileSync(file, 'utf8'))));
    } catch (cause) {
      const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
      throw new Error(`PRICES_FILE ${file} cannot be used: ${reason}`, { cause });
    }
  }

  /** Dollars; undefined if the file has no price. The longest prefix of the name wins, as providers append dates. */
  costOf(model: string, usage: PricedUsage): number | undefined {
    const name = Object.keys(this.#prices)
      .filter((known) => model === known || model.startsWith(`${known}-`))
      .sort((a, b) => b.length - a.length)[0];
    const price = name === undefined ? undefined : this.#prices[name];
    if (!price) return undefined;
    const { input_tokens, cached_input_tokens, output_tokens } = usage;
    const fresh = Math.max(0, input_tokens - cached_input_tokens);
    return (
      (fresh * price.input +
        cached_input_tokens * price.cached_input +
        output_tokens * price.output) /
      1_000_000
    );
  }
}
