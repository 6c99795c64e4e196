import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import { HostCodex } from './host-codex.ts';
import type { Work } from './model-probe.ts';
import { Product } from './product.ts';
import type { Row, Section } from './section.ts';
import { someAtOnce } from './some-at-once.ts';

const CALLERS = [1, 8, 32];
const ALL_CALLERS = Array.from({ length: Math.max(...CALLERS) }, (_, index) => index);
const BARE = 'bare app-servers, host, stdio';
/** Calls of one caller; many callers make enough samples with fewer. */
const SHARE_OF_ROUNDS = 1 / 4;
/** Calls of all callers. */
const SAMPLES_A_ROUND = 2;
/** How often each way has its turn. */
const TURNS = 3;

type Call = () => Promise<unknown>;
type Turn = { samples: number[]; seconds: number };

/** Callers that work at once, each on an agent of its own. */
export function measureParallel(context: BenchContext): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const runtimes = own.docker ? (['docker', 'process'] as const) : (['process'] as const);
    const ways = new Map<string, Call[]>();
    for (const runtime of runtimes) {
      ways.set(`plan over SSE, ${runtime} runtime`, await planners(runtime, own));
    }
    ways.set(BARE, await bareAppServers(own, own.model.lastWork));
    const sections: Section[] = [];
    for (const callers of CALLERS) sections.push(await measure(callers, ways, own));
    return sections;
  });
}

async function planners(runtime: 'docker' | 'process', context: BenchContext): Promise<Call[]> {
  const product = await Product.start(runtime, context);
  return someAtOnce(ALL_CALLERS, context, async (index) => {
    const plan = await product.connect();
    const call = () => plan(`parallel-${index}`);
    await call();
    return call;
  });
}

function bareAppServers(context: BenchContext, work: Work): Promise<Call[]> {
  return someAtOnce(ALL_CALLERS, context, async () => {
    const host = await HostCodex.prepare(context);
    const server = await host.startAppServer(work);
    await server.turn(work);
    return () => server.turn(work);
  });
}

/** Some calls of each way, then of the next, and again. */
async function measure(
  callers: number,
  ways: ReadonlyMap<string, Call[]>,
  { rounds, interrupted }: BenchContext,
): Promise<Section> {
  const share = Math.min(SHARE_OF_ROUNDS, SAMPLES_A_ROUND / callers);
  const calls = Math.max(1, Math.round((rounds * share) / TURNS));
  const measured = new Map([...ways.keys()].map((name) => [name, [] as Turn[]]));
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, all] of ways) {
      interrupted.throwIfAborted();
      measured.get(name)?.push(await atOnce(all.slice(0, callers), calls));
    }
  }
  const rows = [...measured].map(([name, turns]) => rowOf(name, turns));
  const title = callers === 1 ? '1 caller' : `${callers} callers at once, on ${callers} agents`;
  return { title, unit: 'ms', rows, baseline: BARE };
}

function rowOf(name: string, turns: readonly Turn[]): Row {
  const samples = turns.flatMap((turn) => turn.samples);
  const seconds = turns.reduce((sum, turn) => sum + turn.seconds, 0);
  return { name, samples, throughput: samples.length / seconds };
}

async function atOnce(callers: readonly Call[], calls: number): Promise<Turn> {
  const startedAt = performance.now();
  const samples = await Promise.all(callers.map((call) => repeat(call, calls)));
  return { samples: samples.flat(), seconds: (performance.now() - startedAt) / 1000 };
}

async function repeat(call: Call, times: number): Promise<number[]> {
  const samples: number[] = [];
  while (samples.length < times) {
    const startedAt = performance.now();
    await call();
    samples.push(performance.now() - startedAt);
  }
  return samples;
}
