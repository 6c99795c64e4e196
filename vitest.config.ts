import { configDefaults, defineConfig } from 'vitest/config';

/** They stop engines and servers, count what runs on the machine, use ports that are known, or go by seconds. */
const ALONE = [
  'test/demo.test.ts',
  'test/package.test.ts',
  'test/agents/{clock,links/warm-pool}.test.ts',
  'test/cli/doctor.test.ts',
  'test/e2e/{bad-days,compose,compose-guarded,leaks,lifecycle,many-agents,notices,start}.test.ts',
  'test/e2e/{killed-server,kill-rounds,checks-restart,git-kills}.test.ts',
  'test/e2e/{escape,faults}/**/*.test.ts',
  'test/engine-guard/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
  'test/runtime/**/*.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/setup/engine.ts'],
    testTimeout: 60_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 20_000 } },
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
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
