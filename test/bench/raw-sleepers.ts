import type Docker from 'dockerode';
import type { BareAppServer } from './bare-app-server.ts';
import type { Work } from './model-probe.ts';
import type { RawContainers } from './raw-container.ts';
import {
  AGENTS_A_WAVE,
  type FirstEvent,
  type PutToSleep,
  type Sleep,
  type Sleeper,
} from './sleep.ts';

const KIND = 'bridge';
const STOP_SECONDS = 1;

type Hands = { raw: RawContainers; docker: Docker; work: Work };
type Contained = { id: string; server: BareAppServer };

/** Containers with bare app-servers, put to sleep and woken by hand. */
export function rawSleepers(kind: Sleep, hands: Hands): PutToSleep {
  switch (kind) {
    case 'paused':
      return onceMade(hands, pausing);
    case 'stopped':
      return onceMade(hands, stopping);
    case 'pooled':
      return () => pooled(hands);
    case 'new':
      return () => fresh(hands);
    default:
      return kind satisfies never;
  }
}

/** The same containers for every wave, each with a thread that has had a turn. */
function onceMade(
  hands: Hands,
  putToSleep: (hands: Hands, one: Contained) => Promise<Sleeper>,
): PutToSleep {
  let made: Promise<Contained[]> | undefined;
  return async () => {
    made ??= oneByOne(async () => {
      const one = await start(hands);
      await hands.raw.startThread(one.server, hands.work);
      await one.server.turn(hands.work);
      return one;
    });
    return Promise.all((await made).map((one) => putToSleep(hands, one)));
  };
}

async function pausing({ docker, work }: Hands, { id, server }: Contained): Promise<Sleeper> {
  await docker.getContainer(id).pause();
  return wakingOnce(work, async () => {
    await docker.getContainer(id).unpause();
    await server.ping();
    return { server };
  });
}

async function stopping({ docker, raw, work }: Hands, one: Contained): Promise<Sleeper> {
  const { threadId } = one.server;
  await docker.getContainer(one.id).stop({ t: STOP_SECONDS });
  return wakingOnce(work, async () => {
    await docker.getContainer(one.id).start();
    one.server = await raw.connect(one.id);
    return { server: one.server, load: () => one.server.resumeThread(threadId) };
  });
}

/** Connected before they are paused, as the best pool would be. */
async function pooled(hands: Hands): Promise<Sleeper[]> {
  const { docker, raw, work } = hands;
  await raw.removeAll();
  const all = await oneByOne(() => start(hands));
  await Promise.all(all.map(({ id }) => docker.getContainer(id).pause()));
  return all.map(({ id, server }) =>
    wakingOnce(work, async () => {
      await docker.getContainer(id).unpause();
      await server.ping();
      return { server, load: () => raw.startThread(server, work) };
    }),
  );
}

async function fresh(hands: Hands): Promise<Sleeper[]> {
  const { raw, work } = hands;
  await raw.removeAll();
  const make = async () => {
    const { server } = await start(hands);
    return { server, load: () => raw.startThread(server, work) };
  };
  return Array.from({ length: AGENTS_A_WAVE }, () => wakingOnce(work, make));
}

type Awake = { server: BareAppServer; load?: () => Promise<void> };

/** Wakes an app-server for its first turn. */
function wakingOnce(work: Work, wake: () => Promise<Awake>): Sleeper {
  let server: BareAppServer | undefined;
  return {
    async turn(): Promise<FirstEvent> {
      const startedAt = performance.now();
      let ready: number | undefined;
      if (!server) {
        const awake = await wake();
        server = awake.server;
        ready = performance.now() - startedAt;
        await awake.load?.();
      }
      const { completed } = await server.beginTurn(work);
      const milliseconds = performance.now() - startedAt;
      await completed;
      return { milliseconds, ...(ready !== undefined && { ready }) };
    },
  };
}

async function start({ raw }: Hands): Promise<Contained> {
  const id = await raw.start(KIND);
  return { id, server: await raw.connect(id) };
}

async function oneByOne<T>(make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < AGENTS_A_WAVE) made.push(await make());
  return made;
}
