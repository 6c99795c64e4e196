import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/engine.ts'],
    testTimeout: 60_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 20_000 } },
    // One after another: where containers come and go, the sandbox of Codex at times cannot start.
    maxWorkers: 1,
  },
});
