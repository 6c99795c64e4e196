import Docker, { type ContainerInspectInfo } from 'dockerode';
import { expect, inject, test } from 'vitest';
import type { Engine } from '../../src/runtime/docker/engine.ts';
import { MemoryKills } from '../../src/runtime/docker/memory-kills.ts';

const STARTED_NOW = { Id: 'a', State: { Running: true, StartedAt: new Date().toISOString() } };

test.runIf(inject('engine').available)(
  'a container that starts later than now, by a clock that lags, was not killed',
  async () => {
    const engine = {
      docker: new Docker(),
      facts: async () => ({ clockAhead: -5_000 }),
      call: (_doing: string, ask: (call: object) => Promise<unknown>) => ask({}),
    } as unknown as Engine;
    const kills = new MemoryKills(engine, 'nobody');
    expect(await kills.since([STARTED_NOW as ContainerInspectInfo])).toEqual(new Set());
  },
);
