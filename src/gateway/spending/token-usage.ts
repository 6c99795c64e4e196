/** Tokens of a number of model requests. */
export type TokenUsage = {
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  reasoning_output_tokens: number;
  total_tokens: number;
  model_requests: number;
};

export const NO_USAGE: Readonly<TokenUsage> = {
  input_tokens: 0,
  cached_input_tokens: 0,
  output_tokens: 0,
  reasoning_output_tokens: 0,
  total_tokens: 0,
  model_requests: 0,
};

export function sumOfUsage(usages: readonly (Partial<TokenUsage> | undefined)[]): TokenUsage {
  const sum = { ...NO_USAGE };
  for (const usage of usages) {
    for (const key of Object.keys(sum) as (keyof TokenUsage)[]) sum[key] += usage?.[key] ?? 0;
  }
  return sum;
}
