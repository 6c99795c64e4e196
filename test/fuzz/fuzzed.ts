import fc from 'fast-check';

/** The same inputs each time, so that a failure is one of the code and not of the day. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261);
/** How many inputs each property is tried with: few enough for every run of the tests. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 25);

/** How long a test may take that tries its inputs one after another. */
export const FUZZ_TIMEOUT_MS = 60_000 + RUNS * 100;

/** Tries a property with many inputs. A failure says the seed and the smallest input that fails. */
export async function fuzz<T>(
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(inputs, holds), {
    seed: SEED,
    numRuns: RUNS,
    interruptAfterTimeLimit: FUZZ_TIMEOUT_MS - 10_000,
    markInterruptAsFailure: true,
  });
}
