import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './test/setup/longest-first.ts';

/** They need the whole machine: they measure how fast something is, fill it by themselves, or change its engine. */
const ALONE = [
  'test/e2e/{compose,many-agents}.test.ts',
  'test/e2e/escape/pressure.test.ts',
  'test/e2e/faults/killed-engine.test.ts',
  'test/fuzz/**/*.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/setup/engine.ts'],
    testTimeout: 60_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
