import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { z } from 'zod';
import { TURN_STATES, type TurnState } from '../../src/turns/turn.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import { Product } from './product.ts';
import { RawContainers } from './raw-container.ts';
import type { Section } from './section.ts';
import { someAtOnce } from './some-at-once.ts';

const POLL_MS = 100;
const PATIENCE_MS = 180_000;
const AIM_SECONDS = 10;
const BY_HAND = 'by hand: exec and initialize for each agent';
const ALL_WORK = 'all agents work again';

/** Seconds since the new server was started. */
type Recovery = {
  healthy: number;
  /** When each agent asked the model again. */
  working: readonly number[];
  /** When the last call had its result; the model answers when all have asked. */
  ended: number;
};

/** A server that is killed while all its agents work, and the next one over the same data. */
export function measureRecovery(context: BenchContext, docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const settings = { MAX_CONCURRENT_SESSIONS: String(own.agents), PAUSE_TIMEOUT: '0' };
    const product = await Product.start('docker', own, { settings });
    const turns = await makeBusyAgents(product, own);
    await product.crash();
    const recovery = await recover(product, turns, own);
    await product.crash();
    return [section(own.agents, recovery, await connectByHand(product, docker, own))];
  });
}

/** Each has answered one call, and waits for the model in the next; answers the ids of those. */
async function makeBusyAgents(product: Product, context: BenchContext): Promise<string[]> {
  const { agents, model } = context;
  const ids = Array.from({ length: agents }, (_, index) => `agent-${index}`);
  const plan = await product.connect();
  await someAtOnce(ids, context, plan);
  model.hold();
  const turns = await someAtOnce(ids, context, (agentId) => product.submit(agentId));
  await until(context, async () => model.waitingSince.length >= agents);
  return turns;
}

async function recover(
  product: Product,
  turns: readonly string[],
  context: BenchContext,
): Promise<Recovery> {
  const { model } = context;
  model.hold();
  const startedAt = Date.now();
  const seconds = (at = Date.now()) => (at - startedAt) / 1000;
  await product.restart();
  await until(context, async () => (await product.health()).ready);
  const healthy = seconds();
  await until(context, async () => model.waitingSince.length >= turns.length);
  const working = model.waitingSince.map(seconds);
  model.release();
  await until(context, async () => (await unendedOf(product, turns)) === 0);
  return { healthy, working, ended: seconds() };
}

const turnsSchema = z.object({
  turns: z.array(z.object({ turn_id: z.string(), state: z.enum(TURN_STATES) })),
});
const UNENDED: readonly string[] = ['queued', 'running'] satisfies TurnState[];

/** How many have not ended yet; throws if one has without a result. */
async function unendedOf(product: Product, turnIds: readonly string[]): Promise<number> {
  const limit = turnIds.length;
  const { turns } = turnsSchema.parse(await product.call('list_turns', { limit }));
  const ours = turns.filter(({ turn_id }) => turnIds.includes(turn_id));
  const unended = ours.filter(({ state }) => UNENDED.includes(state)).length;
  const completed = ours.filter(({ state }) => state === 'completed').length;
  const lost = turnIds.length - unended - completed;
  if (lost > 0) throw new Error(`${lost} turns ended without a result.`);
  return unended;
}

/** The least that a server has to do before it can hear of a turn that runs. */
async function connectByHand(
  product: Product,
  docker: Docker,
  context: BenchContext,
): Promise<number> {
  const containers = await product.containers(docker);
  const [first] = containers;
  if (!first) throw new Error('The agents are gone.');
  const raw = await RawContainers.prepare(context, docker, first.image);
  const startedAt = performance.now();
  await someAtOnce(containers, context, ({ id }) => raw.connect(id));
  return (performance.now() - startedAt) / 1000;
}

function section(agents: number, recovery: Recovery, byHand: number): Section {
  const { healthy, working, ended } = recovery;
  return {
    title: `Recovery of ${agents} agents that work, after the start of the next server`,
    unit: 's',
    baseline: BY_HAND,
    rows: [
      { name: BY_HAND, samples: [byHand] },
      { name: 'the server is ready', samples: [healthy] },
      { name: 'each agent works again', samples: working },
      { name: ALL_WORK, samples: [Math.max(...working)] },
      { name: 'all calls have their results', samples: [ended] },
    ],
    aims: [{ row: ALL_WORK, atMost: AIM_SECONDS }],
  };
}

async function until({ interrupted }: BenchContext, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    interrupted.throwIfAborted();
    if (Date.now() > deadline) throw new Error('That took too long.');
    await sleep(POLL_MS);
  }
}
