import type Docker from 'dockerode';
import { agentImage } from './agent-image.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import type { Work } from './model-probe.ts';
import { Product } from './product.ts';
import { productSleepers } from './product-sleepers.ts';
import { RawContainers } from './raw-container.ts';
import { rawSleepers } from './raw-sleepers.ts';
import type { Row, Section } from './section.ts';
import { SLEEPS, type Sleep, type Sleeper } from './sleep.ts';

/** A wave takes as long as many warm calls. */
const SHARE_OF_ROUNDS = 1 / 25;
const PAUSED_AIM_MS = 60;
const POOLED_AIM_MS = 100;
const AWAKE = { product: 'agent that is awake', raw: 'bare app-server that is awake' };

/** Milliseconds from the call to the first event of its turn. */
type Wake = { asleep: number; awake: number; ready: number | undefined };
type Wakes = { product: Wake[]; raw: Wake[] };
type Samples = { product: number[]; raw: number[] };

/** The first event of a call on agents that sleep, next to containers that are woken by hand. */
export function measureWake(context: BenchContext, docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const image = await agentImage(await Product.start('docker', own), docker);
    const work = own.model.lastWork;
    const wakes = new Map<Sleep, Wakes>();
    for (const kind of Object.keys(SLEEPS) as Sleep[]) {
      const measure = (mine: BenchContext) => measureSleep(kind, mine, { docker, image, work });
      wakes.set(kind, await withOwnCleanup(own, measure));
    }
    return sections(wakes);
  });
}

async function measureSleep(
  kind: Sleep,
  context: BenchContext,
  { docker, image, work }: { docker: Docker; image: string; work: Work },
): Promise<Wakes> {
  const products = await productSleepers(kind, context, docker);
  const raw = await RawContainers.prepare(context, docker, image);
  const raws = rawSleepers(kind, { raw, docker, work });
  const wakes: Wakes = { product: [], raw: [] };
  const waves = Math.max(1, Math.round(context.rounds * SHARE_OF_ROUNDS));
  for (let wave = 0; wave < waves; wave += 1) {
    const others = await raws();
    for (const [index, sleeper] of (await products()).entries()) {
      context.interrupted.throwIfAborted();
      wakes.product.push(await wakeAndAgain(sleeper));
      const other = others[index];
      if (other) wakes.raw.push(await wakeAndAgain(other));
    }
  }
  return wakes;
}

async function wakeAndAgain(sleeper: Sleeper): Promise<Wake> {
  const { milliseconds: asleep, ready } = await sleeper.turn();
  const { milliseconds: awake } = await sleeper.turn();
  return { asleep, awake, ready };
}

function sections(wakes: ReadonlyMap<Sleep, Wakes>): Section[] {
  const every = [...wakes.values()];
  const awake = (who: keyof Wakes) => every.flatMap((one) => one[who].map((wake) => wake.awake));
  return [
    {
      title: 'From the call to the first event of its turn',
      unit: 'ms',
      rows: [
        { name: AWAKE.product, samples: awake('product'), baseline: AWAKE.raw },
        { name: AWAKE.raw, samples: awake('raw') },
        ...rowsOf(wakes, firstEvents),
      ],
    },
    {
      title: 'Of that, until the app-server is ready',
      unit: 'ms',
      rows: rowsOf(wakes, readiness),
      aims: [
        { row: SLEEPS.paused.product, atMost: PAUSED_AIM_MS },
        { row: SLEEPS.pooled.product, atMost: POOLED_AIM_MS },
      ],
    },
  ];
}

function firstEvents({ product, raw }: Wakes): Samples {
  return { product: product.map(({ asleep }) => asleep), raw: raw.map(({ asleep }) => asleep) };
}

/**
 * By hand it is ready when it answers. How long the same took for an agent is what waking adds to its
 * first event, less what Codex itself took by hand after it was ready: to load or begin a thread.
 */
function readiness({ product, raw }: Wakes): Samples {
  const pairs = product.flatMap((ours, index) => {
    const theirs = raw[index];
    if (theirs?.ready === undefined) return [];
    const afterwards = theirs.asleep - theirs.awake - theirs.ready;
    return [{ ours: ours.asleep - ours.awake - afterwards, theirs: theirs.ready }];
  });
  return { product: pairs.map(({ ours }) => ours), raw: pairs.map(({ theirs }) => theirs) };
}

function rowsOf(wakes: ReadonlyMap<Sleep, Wakes>, figure: (wakes: Wakes) => Samples): Row[] {
  return [...wakes].flatMap(([kind, both]) => {
    const { product, raw } = figure(both);
    const names = SLEEPS[kind];
    return [
      { name: names.product, samples: product, baseline: names.raw },
      { name: names.raw, samples: raw },
    ];
  });
}
