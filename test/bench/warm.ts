import type Docker from 'dockerode';
import { agentImage } from './agent-image.ts';
import type { BareAppServer } from './bare-app-server.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import { HostCodex } from './host-codex.ts';
import type { Work } from './model-probe.ts';
import { Product } from './product.ts';
import { RawContainers } from './raw-container.ts';
import type { Section } from './section.ts';

const WARM_UP_ROUNDS = 5;
const BARE = 'bare app-server, host, stdio';
const PLAN_DOCKER = 'plan over SSE, docker runtime';
const PLAN_PROCESS = 'plan over SSE, process runtime';
const DIFFERENCE_AIM_MS = 15;

type Contender = { name: string; run(): Promise<unknown> };

/** Calls on agents that are awake, next to what Codex takes by itself. */
export function measureWarm(context: BenchContext): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const contenders = await prepare(own);
    const samples = await race(contenders, own);
    const rows = contenders.map(({ name }) => ({ name, samples: samples.get(name) ?? [] }));
    const aims = [{ row: PLAN_DOCKER, differenceAtMost: DIFFERENCE_AIM_MS }];
    return [{ title: 'Warm call', unit: 'ms', rows, baseline: BARE, aims }];
  });
}

/** All of them by turns, each round beginning with another. */
async function race(
  contenders: readonly Contender[],
  { rounds, interrupted }: BenchContext,
): Promise<Map<string, number[]>> {
  const samples = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      interrupted.throwIfAborted();
      const contender = contenders[(turn + round + WARM_UP_ROUNDS) % contenders.length];
      const startedAt = performance.now();
      await contender?.run();
      if (contender && round >= 0) {
        samples.get(contender.name)?.push(performance.now() - startedAt);
      }
    }
  }
  return samples;
}

async function prepare(context: BenchContext): Promise<Contender[]> {
  const host = await HostCodex.prepare(context);
  const inProcesses = await planner('process', context);
  await inProcesses();
  // The others are asked exactly what the product asks of Codex.
  const work = context.model.lastWork;
  const bare = await host.startAppServer(work);
  return [
    { name: BARE, run: () => bare.turn(work) },
    ...(context.docker ? await prepareDocker(context, context.docker, work) : []),
    { name: PLAN_PROCESS, run: inProcesses },
    { name: 'codex exec --json, a process per call', run: () => host.exec(work) },
  ];
}

async function prepareDocker(
  context: BenchContext,
  docker: Docker,
  work: Work,
): Promise<Contender[]> {
  const product = await Product.start('docker', context);
  const image = await agentImage(product, docker);
  const plan = await product.connect();
  const contained = await containedAppServer(context, docker, image, work);
  return [
    { name: 'bare app-server, container, exec proxy', run: () => contained.turn(work) },
    { name: PLAN_DOCKER, run: () => plan('first') },
  ];
}

async function containedAppServer(
  context: BenchContext,
  docker: Docker,
  image: string,
  work: Work,
): Promise<BareAppServer> {
  const raw = await RawContainers.prepare(context, docker, image);
  const container = await raw.start('host');
  await raw.makeRepository(container);
  const server = await raw.connect(container);
  await raw.startThread(server, work);
  return server;
}

async function planner(runtime: 'process', context: BenchContext): Promise<() => Promise<unknown>> {
  const product = await Product.start(runtime, context);
  const plan = await product.connect();
  return () => plan('first');
}
