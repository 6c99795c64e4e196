import { inject } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';

const engine = inject('engine');
const asked = process.env.TEST_RUNTIME;

/**
 * Where a promise that holds in every runtime is tested: in containers, as users have them, and
 * without an engine in processes. `npm run test:long` tests it in the other runtime too, by TEST_RUNTIME.
 */
export const RUNTIMES: readonly { runtime: RuntimeKind; here: true }[] = [
  { runtime: (asked ?? (engine.available ? 'docker' : 'process')) as RuntimeKind, here: true },
];
