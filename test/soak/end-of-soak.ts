import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type Door, openDoor } from './door.ts';
import type { Ledger } from './ledger.ts';
import type { AgentProcess, RuntimeView } from './runtime-view.ts';
import { type Footprint, footprintAtMost, type SoakServer } from './soak-server.ts';
import { isInfrastructure, isStray } from './stray.ts';

const QUIET_WITHIN_MS = 150_000;
const SHRINK_WITHIN_MS = 30_000;
const POLL_MS = 500;
/** The warm pool may have been empty at the beginning: three connections to each of two containers. */
const POOL_DESCRIPTORS = 6;
const ALL = { remove: true, older_than_seconds: 0 };

/** What is left of each kind; all lists are empty after a good run. */
export type Leftovers = {
  /** Turns that callers were promised, and that the server does not know or has not ended. */
  lostTurns: string[];
  lostConversations: string[];
  unfinishedRows: string[];
  /** Processes in containers that no turn has a right to. */
  strayProcesses: string[];
  descriptors: string[];
  childProcesses: string[];
  containers: string[];
  volumes: string[];
  /** Processes of agents after the end of all. */
  processes: string[];
  agentRows: string[];
  slotRows: string[];
  files: string[];
};

export type Settled = {
  leftovers: Leftovers;
  baseline: Footprint;
  footprint: Footprint;
};

type EndOptions = {
  server: SoakServer;
  view: RuntimeView;
  ledger: Ledger;
  baseline: Footprint;
  dataDir: string;
};

/** Waits until all is quiet, ends everything in order, and tells what is left. */
export async function settle(options: EndOptions): Promise<Settled> {
  const { server, view, ledger, baseline, dataDir } = options;
  await withDoor(server, (door) => untilQuiet(door, ledger));
  const running = await view.processes();
  await withDoor(server, (door) => door.call('cleanup_inactive_agents'));
  const footprint = await footprintAtMost(await server.pid(), baseline, SHRINK_WITHIN_MS);
  await server.end('SIGTERM');
  const rows = judgeRows(dataDir, ledger, running);

  await server.restart('SIGTERM', { PERSISTENT_MODE: 'false' });
  await withDoor(server, (door) => untilRemoved(door, ledger));
  await server.end('SIGTERM');
  return {
    baseline,
    footprint,
    leftovers: {
      ...rows,
      ...outgrown(baseline, footprint),
      ...(await remains(view)),
      ...rowsAfter(dataDir),
      files: await filesIn(path.join(dataDir, 'tmp')),
    },
  };
}

async function withDoor<T>(server: SoakServer, use: (door: Door) => Promise<T>): Promise<T> {
  const door = await openDoor(await server.url(), 'rest');
  return await use(door);
}

/** No call waits or runs, and nobody is pinned. */
async function untilQuiet(door: Door, ledger: Ledger): Promise<void> {
  const deadline = Date.now() + QUIET_WITHIN_MS;
  for (;;) {
    const { sessions } = await door.call('list_sessions', { limit: 1000 });
    for (const { agent_id, pinned } of sessions) if (pinned) await door.call('unpin', { agent_id });
    const busy = sessions.filter(
      (each: { calls_waiting: number; status: string }) =>
        each.calls_waiting > 0 || each.status === 'busy',
    );
    if (busy.length === 0) return;
    if (Date.now() > deadline) {
      ledger.problems.push(`Not quiet: ${JSON.stringify(busy)}`);
      return;
    }
    await sleep(POLL_MS);
  }
}

/** An agent that the reaper has in hand is `in_use` for the moment. */
async function untilRemoved(door: Door, ledger: Ledger): Promise<void> {
  const deadline = Date.now() + QUIET_WITHIN_MS;
  for (;;) {
    await door.call('cleanup_inactive_agents', ALL);
    const { sessions } = await door.call('list_sessions', { limit: 1000 });
    if (sessions.length === 0) return;
    if (Date.now() > deadline) {
      ledger.problems.push(`Not removed: ${JSON.stringify(sessions)}`);
      return;
    }
    await sleep(POLL_MS);
  }
}

type RowsLeft = Pick<
  Leftovers,
  'lostTurns' | 'lostConversations' | 'unfinishedRows' | 'strayProcesses'
>;

function judgeRows(dataDir: string, ledger: Ledger, running: AgentProcess[]): RowsLeft {
  const store = SqliteStore.open(dataDir);
  try {
    return {
      lostTurns: lostTurns(store, ledger),
      lostConversations: ledger.lostConversations(),
      unfinishedRows: store.turns.unfinished().map(({ turnId, state }) => `${turnId} ${state}`),
      strayProcesses: running
        .filter(({ command }) => !isInfrastructure(command) && isStray(command, store, ledger))
        .map(({ container, command }) => `${container}: ${command}`),
    };
  } finally {
    store.close();
  }
}

function lostTurns(store: Store, ledger: Ledger): string[] {
  return [...ledger.turns].flatMap(([turnId, turn]) => {
    const row = store.turns.get(turnId);
    if (row?.endedAt || (!row && ledger.mayBeForgotten(turn))) return [];
    return [`${turnId} of ${turn.agentId}: ${row?.state ?? 'unknown to the server'}`];
  });
}

function outgrown(
  baseline: Footprint,
  { descriptors, children }: Footprint,
): Pick<Leftovers, 'descriptors' | 'childProcesses'> {
  const isMore = descriptors.length > baseline.descriptors.length + POOL_DESCRIPTORS;
  const grown = children - baseline.children;
  return {
    descriptors: isMore ? growth(baseline.descriptors, descriptors) : [],
    childProcesses: grown > 0 ? [`${grown} more than at the beginning`] : [],
  };
}

/** By kind: the numbers in the names of sockets and pipes are new in every process. */
function growth(before: readonly string[], after: readonly string[]): string[] {
  const kindOf = (link: string) => link.replace(/\d+/g, 'N');
  const counts = Map.groupBy(before, kindOf);
  return [...Map.groupBy(after, kindOf)].flatMap(([kind, links]) => {
    const more = links.length - (counts.get(kind)?.length ?? 0);
    return more > 0 ? [`${more} more of ${kind}`] : [];
  });
}

async function remains(
  view: RuntimeView,
): Promise<Pick<Leftovers, 'containers' | 'volumes' | 'processes'>> {
  const [containers, volumes, processes] = await Promise.all([
    view.containers(),
    view.volumes(),
    view.processes(),
  ]);
  const running = processes.map(({ container, command }) => `${container}: ${command}`);
  return { containers, volumes, processes: running };
}

function rowsAfter(dataDir: string): Pick<Leftovers, 'agentRows' | 'slotRows'> {
  const store = SqliteStore.open(dataDir);
  const agentRows = store.agents.list().map(({ agentId }) => agentId);
  const slotRows = store.warmContainers.list().map(({ id, agentId }) => `${id} ${agentId ?? ''}`);
  store.close();
  return { agentRows, slotRows };
}

async function filesIn(directory: string): Promise<string[]> {
  return await fs.readdir(directory, { recursive: true });
}
