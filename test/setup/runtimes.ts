import { inject } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';

const engine = inject('engine');
/** `npm run test:long` tests everything in the other runtime. */
const isOther = process.env.TEST_RUNTIME === 'other';

/** Where what concerns containers is tested: in them; without an engine in processes. */
export const RUNTIMES = only(engine.available !== isOther ? 'docker' : 'process');

/** Where what stands above the port is tested: in processes, which begin in no time. */
export const CHEAPEST = only(engine.available && isOther ? 'docker' : 'process');

function only(runtime: RuntimeKind): readonly { runtime: RuntimeKind }[] {
  return [{ runtime }];
}
