import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startFuzzServer } from './fuzz-server.ts';
import { FUZZ_TIMEOUT_MS, fuzz } from './fuzzed.ts';
import { brokenRequests, wholeRequests } from './http-requests.ts';
import { exchange } from './raw-exchange.ts';
import { routesOf } from './routes.ts';

/** Small, so that bodies that are too large are sent quickly. */
const SETTINGS = { MAX_BODY_BYTES: '20000' };

test(
  'every whole request to every route is answered, in our form where it fails',
  async () => {
    await using server = await startFuzzServer(SETTINGS);
    const routes = routesOf(server.app);
    expect(routes).toContain('/tools/:name');
    await fuzz(
      fc.array(wholeRequests(routes), { minLength: 4, maxLength: 8 }),
      async (requests) => {
        await Promise.all(
          requests.map(async ({ text, manner }) => {
            const answers = await exchange(server.url, text, manner, true);
            expect(answers.length, text).toBeGreaterThan(0);
            server.check(answers);
          }),
        );
      },
    );
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'whatever comes over a connection harms nobody',
  async () => {
    await using server = await startFuzzServer(SETTINGS, { receiveTimeoutMs: 1000 });
    await fuzz(fc.array(brokenRequests, { minLength: 4, maxLength: 8 }), async (requests) => {
      await Promise.all(
        requests.map(async ({ text, manner }) =>
          server.check(await exchange(server.url, text, manner)),
        ),
      );
    });
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);
