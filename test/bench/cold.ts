import type Docker from 'dockerode';
import { agentImage } from './agent-image.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import type { Work } from './model-probe.ts';
import { type PlanCall, Product } from './product.ts';
import { RawContainers, type RawKind } from './raw-container.ts';
import type { Section } from './section.ts';

const PLAN = 'plan over SSE, a new agent';
const SAME = 'docker run, same flags and volumes';
/** What is started instead of an agent, and what it is called in the tables. */
const RAW: readonly { kind: RawKind; name: string }[] = [
  { kind: 'bridge', name: SAME },
  { kind: 'plain', name: 'docker run, nothing else' },
  { kind: 'host', name: `${SAME}, network of the host` },
  { kind: 'none', name: `${SAME}, no network` },
];
const RATIO_AIM = 1.3;
const WARM_UP_ROUNDS = 1;
/** A cold start takes as long as many warm calls. */
const SHARE_OF_ROUNDS = 1 / 5;

/** Milliseconds since the beginning. */
type Times = { initialized?: number; modelAsked?: number; answered?: number };

/** The first call on an agent that never was, next to a container that is made by hand. */
export function measureCold(context: BenchContext, docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const product = await Product.start('docker', own);
    const image = await agentImage(product, docker);
    const plan = await product.connect();
    const raw = await RawContainers.prepare(own, docker, image);
    const work = own.model.lastWork;
    const ways: Record<string, (round: number) => Promise<Times>> = {
      [PLAN]: (round) => startAgent({ product, plan, docker, context: own }, round),
    };
    for (const { kind, name } of RAW) ways[name] = () => startRaw(raw, kind, work, own);
    return sections(await inTurns(ways, own));
  });
}

async function inTurns(
  ways: Record<string, (round: number) => Promise<Times>>,
  { rounds, interrupted }: BenchContext,
): Promise<Map<string, Times[]>> {
  const times = new Map(Object.keys(ways).map((name) => [name, [] as Times[]]));
  const last = Math.max(3, Math.round(rounds * SHARE_OF_ROUNDS));
  for (let round = -WARM_UP_ROUNDS; round < last; round += 1) {
    for (const [name, start] of Object.entries(ways)) {
      interrupted.throwIfAborted();
      const measured = await start(round);
      if (round >= 0) times.get(name)?.push(measured);
    }
  }
  return times;
}

async function startAgent(
  {
    product,
    plan,
    docker,
    context,
  }: { product: Product; plan: PlanCall; docker: Docker; context: BenchContext },
  round: number,
): Promise<Times> {
  const agentId = `cold-${round + WARM_UP_ROUNDS}`;
  const startedAt = performance.now();
  await plan(agentId);
  const answered = performance.now() - startedAt;
  const modelAsked = context.model.askedAt - startedAt;
  await product.remove(docker, agentId);
  return { modelAsked, answered };
}

async function startRaw(
  raw: RawContainers,
  kind: RawKind,
  work: Work,
  { model }: BenchContext,
): Promise<Times> {
  const startedAt = performance.now();
  const server = await raw.connect(await raw.start(kind));
  const initialized = performance.now() - startedAt;
  const times: Times = { initialized };
  if (kind !== 'none') {
    await raw.startThread(server, work);
    await server.turn(work);
    times.answered = performance.now() - startedAt;
    times.modelAsked = model.askedAt - startedAt;
  }
  await raw.removeAll();
  return times;
}

function sections(times: Map<string, Times[]>): Section[] {
  const rows = (time: keyof Times) =>
    [...times].flatMap(([name, all]) => {
      const samples = all.flatMap((one) => one[time] ?? []);
      return samples.length > 0 ? [{ name, samples }] : [];
    });
  const aims = [{ row: PLAN, ratioAtMost: RATIO_AIM }];
  const common = { unit: 'ms', baseline: SAME } as const;
  return [
    { ...common, title: 'Cold start until initialize is answered', rows: rows('initialized') },
    { ...common, title: 'Cold start until the model is asked', rows: rows('modelAsked'), aims },
    { ...common, title: 'Cold start until the first answer', rows: rows('answered') },
  ];
}
