import fs from 'node:fs';
import path from 'node:path';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { createWorld, type World } from '../e2e/main-process.ts';
import { Caller } from './caller.ts';
import { type Settled, settle } from './end-of-soak.ts';
import type { JobSource } from './job.ts';
import { killAtRandom } from './killer.ts';
import { Ledger } from './ledger.ts';
import { type RuntimeView, viewOf } from './runtime-view.ts';
import { ServerLog } from './server-log.ts';
import { SoakServer } from './soak-server.ts';
import { unsteadyModel } from './unsteady-model.ts';
import { warmUp } from './warm-up.ts';

export type SoakOptions = {
  runtime: RuntimeKind;
  seed: number;
  callers: number;
  /** Makes the jobs; the signal is for those without an end. */
  jobs: JobSource;
  /** Seconds between two kills on average; 0: none. */
  serverKillsEvery: number;
  containerKillsEvery: number;
  /** Settings of the server besides those of a soak. */
  environment?: Record<string, string>;
  logFile?: string | undefined;
};

export type SoakOutcome = Settled & { ledger: Ledger; log: ServerLog; seconds: number };

/** Agents pause, stop and are archived within seconds, so that most calls wake one. */
const RESTLESS = {
  PAUSE_TIMEOUT: '2',
  SESSION_TIMEOUT: '6',
  ARCHIVE_TIMEOUT: '20',
  REAPER_SCHEDULE: '*/2 * * * * *',
  WARM_POOL_SIZE: '2',
  CONTAINER_STOP_TIMEOUT: '2',
  LOG_LEVEL: 'info',
};

/** Lets callers loose on a server until there are no more jobs, and looks at what is left then. */
export async function runSoak(options: SoakOptions): Promise<SoakOutcome> {
  const ledger = new Ledger();
  const onOther = (line: string) => ledger.problems.push(`No log line: ${line}`);
  const log = new ServerLog(onOther, options.logFile);
  await using world = await createWorld(options.runtime, {
    environment: { ...RESTLESS, ...options.environment },
    model: { script: unsteadyModel(), recording: false },
    onLog: log.add,
  });
  const temporary = path.join(world.dataDir, 'tmp');
  fs.mkdirSync(temporary);
  const view = viewOf(options.runtime, { id: installationOf(world), dataDir: world.dataDir });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => view.removeAll());
  const server = new SoakServer(
    { start: (more) => world.start({ TMPDIR: temporary, ...more }) },
    (problem) => ledger.problems.push(problem),
  );
  cleanup.defer(() => server.end('SIGKILL'));
  const baseline = await warmUp(server);
  const began = performance.now();
  await load(options, { server, view, ledger });
  const seconds = Math.round((performance.now() - began) / 1000);
  const settled = await settle({ server, view, ledger, baseline, dataDir: world.dataDir });
  return { ...settled, ledger, log, seconds };
}

async function load(
  { seed, callers, jobs, serverKillsEvery, containerKillsEvery }: SoakOptions,
  parts: { server: SoakServer; view: RuntimeView; ledger: Ledger },
): Promise<void> {
  const over = new AbortController();
  const killing = killAtRandom({
    ...parts,
    seed,
    serverEvery: serverKillsEvery,
    containerEvery: containerKillsEvery,
    until: over.signal,
  });
  const all = Array.from({ length: callers }, () => new Caller({ ...parts, next: jobs }));
  await Promise.all(all.map((caller) => caller.run()));
  over.abort();
  await killing;
}

/** Before a server has the database, which is for one at a time. */
function installationOf({ dataDir }: World): string {
  const store = SqliteStore.open(dataDir);
  const { installationId } = store;
  store.close();
  return installationId;
}
