import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import { HeapInspector } from './heap-inspector.ts';
import { Product } from './product.ts';
import { residentBytes } from './resident-bytes.ts';
import type { Section } from './section.ts';
import { ServerProcess } from './server-process.ts';

const CLIENTS = fileURLToPath(new URL('idle-clients.ts', import.meta.url));
const BARE_SERVER = fileURLToPath(new URL('bare-event-streams.ts', import.meta.url));
const SESSIONS = 200;
/** What is loaded and compiled for the first client is not the price of the next. */
const CLIENTS_BEFORE = 5;
const ROUNDS = 2;
/** Longer than clients keep the connection of their last request. */
const SETTLE_MS = 6_000;

const KINDS = {
  sse: 'HTTP+SSE session',
  http: 'Streamable HTTP session, with its event stream',
  bare: 'event stream of a bare Node server',
} as const;
type Kind = keyof typeof KINDS;
const BASELINE = KINDS.bare;

/** KiB for each session; without /proc only the heap is known. */
type Price = { heap: number; resident: number | undefined };

/** What the server holds for clients that are connected and silent. */
export async function measureSessions(context: BenchContext): Promise<Section[]> {
  const prices: Record<Kind, Price[]> = { sse: [], http: [], bare: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const kinds = Object.keys(KINDS) as Kind[];
    await withOwnCleanup(context, (own) =>
      Promise.all(kinds.map(async (kind) => prices[kind].push(await priceOf(kind, own)))),
    );
  }
  return [
    section(prices, 'in its heap, after a collection', ({ heap }) => heap),
    section(prices, 'resident', ({ resident }) => resident),
  ].filter(({ rows }) => rows.every(({ samples }) => samples.length > 0));
}

async function priceOf(kind: Kind, context: BenchContext): Promise<Price> {
  const { cleanup } = context;
  const server = await startServer(kind, context);
  const inspector = await HeapInspector.connect(server.inspectorUrl ?? '', cleanup);
  const look = async () => ({
    heap: await inspector.usedBytes(),
    resident: await residentBytes(server.pid),
  });
  const endFirst = await connectClients(kind, server.url, CLIENTS_BEFORE, context);
  await endFirst();
  await sleep(SETTLE_MS, undefined, { signal: context.interrupted });
  const before = await look();
  await connectClients(kind, server.url, SESSIONS, context);
  await sleep(SETTLE_MS, undefined, { signal: context.interrupted });
  const after = await look();
  const kibibytes = (bytes: number) => bytes / SESSIONS / 1024;
  return {
    heap: kibibytes(after.heap - before.heap),
    resident: before.resident && after.resident && kibibytes(after.resident - before.resident),
  };
}

async function startServer(kind: Kind, context: BenchContext): Promise<ServerProcess> {
  if (kind !== 'bare') {
    const settings = { MAX_MCP_SESSIONS: String(SESSIONS + CLIENTS_BEFORE) };
    return (await Product.start('process', context, { settings, inspected: true })).server;
  }
  const command = { program: [BARE_SERVER], environment: {}, inspected: true };
  return ServerProcess.start(command, (end) => context.cleanup.defer(end));
}

/** Resolves when all are connected; answers what ends them. */
async function connectClients(
  kind: Kind,
  url: string,
  count: number,
  { cleanup, interrupted }: BenchContext,
): Promise<() => Promise<void>> {
  interrupted.throwIfAborted();
  const child = spawn(process.execPath, [CLIENTS, kind, url, String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = async () => {
    child.stdin.end();
    await exited;
  };
  cleanup.defer(end);
  for await (const line of readline.createInterface({ input: child.stdout })) {
    if (line === 'connected') return end;
  }
  throw new Error(`${KINDS[kind]}: the clients could not connect.`);
}

function section(
  prices: Record<Kind, Price[]>,
  where: string,
  figure: (price: Price) => number | undefined,
): Section {
  const rows = Object.entries(KINDS).map(([kind, name]) => ({
    name,
    samples: prices[kind as Kind].flatMap((price) => figure(price) ?? []),
  }));
  const title = `Memory of the server for each of ${SESSIONS} idle clients, ${where}`;
  return { title, unit: 'KiB', baseline: BASELINE, rows };
}
