import { configDefaults, defineConfig } from 'vitest/config';
import { CostReport } from './test/setup/cost-report.ts';
import { LongestFirst } from './test/setup/longest-first.ts';

/** They use an engine or real Codex. */
const REAL = ['test/{clients,e2e,examples,fuzz}/**/*.test.ts', 'test/**/*.integration.test.ts'];
/** What shows a promise at length; `npm run test:long`. */
const LONG = ['test/**/*.long.test.ts'];

const ENGINE = ['test/setup/engine.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/setup/compile-cache.ts'],
    // Files of a worker share what they import: loading it once for each was a fifth of the run.
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: ['default', new CostReport()],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...REAL, ...LONG],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: REAL,
          exclude: [...configDefaults.exclude, ...LONG],
          globalSetup: ENGINE,
          // What never comes is told late; what comes late on a slow machine is no failure.
          testTimeout: 300_000,
          expect: { poll: { timeout: 90_000 } },
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: LONG,
          globalSetup: ENGINE,
          testTimeout: 900_000,
          expect: { poll: { timeout: 90_000 } },
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
