import { schedule } from 'node-cron';
import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { ExpiryWarner } from '../agents/life/expiry-warner.ts';
import { checkSeconds, type ExpirySettings } from '../agents/life/expiry-warning.ts';
import { sweep } from '../agents/life/sweep.ts';
import { monotonicNow } from '../agents/monotonic-clock.ts';
import type { Config } from '../config/config.ts';
import { forgetOldTurns } from '../turns/turn-retention.ts';
import type { TurnStore } from '../turns/turn-store.ts';

/** Two runs show how far apart they are. */
const NEXT_RUNS = 2;
const CLOCK_CHECK_MS = 10_000;
/** Larger than gradual adjustments of a clock. */
const JUMP_MS = 5_000;

type ReaperOptions = {
  agents: AgentManager;
  store: { readonly agents: AgentStore; readonly turns: TurnStore };
  snapshots: { prune(): string[] };
  config: ExpirySettings & Pick<Config, 'REAPER_SCHEDULE' | 'TURN_RETENTION'>;
  log: Logger;
};

/** Stops, archives and removes idle agents on a schedule, after warnings. Returns how to end it. */
export function startIdleReaper(options: ReaperOptions): () => Promise<void> {
  const { config, log } = options;
  const warner = new ExpiryWarner(options);
  const stopping = new AbortController();
  let round: Promise<void> = Promise.resolve();
  const begin = () =>
    schedule(
      config.REAPER_SCHEDULE,
      () => {
        round = reap(options, warner, stopping.signal);
        return round;
      },
      { noOverlap: true, logger: cronLogger(log) },
    );
  let task = begin();
  const stopLooking = onClockSet((seconds) => {
    log.warn({ seconds }, 'The clock of this machine was set');
    void task.destroy();
    task = begin();
  });
  const check = () => warner.check(task.getNextRuns(NEXT_RUNS));
  const seconds = checkSeconds(config);
  const checks = seconds > 0 ? setInterval(check, seconds * 1000).unref() : undefined;
  check();
  return async () => {
    stopping.abort();
    stopLooking();
    clearInterval(checks);
    await task.destroy();
    await round;
  };
}

/** A schedule waits for a time of day, so it must restart when the clock is set. */
function onClockSet(listener: (seconds: number) => void): () => void {
  const ahead = () => Date.now() - monotonicNow();
  let last = ahead();
  const timer = setInterval(() => {
    const jump = ahead() - last;
    last += jump;
    if (Math.abs(jump) > JUMP_MS) listener(Math.round(jump / 1000));
  }, CLOCK_CHECK_MS).unref();
  return () => clearInterval(timer);
}

/** By default node-cron writes to standard output, which may be that of MCP. */
function cronLogger(log: Logger) {
  const message = 'About the schedule of the reaper';
  return {
    info: (reason: string) => log.debug({ reason }, message),
    debug: (reason: string | Error) => log.debug({ reason: String(reason) }, message),
    warn: (reason: string) => log.warn({ reason }, message),
    error: (reason: string | Error, err?: Error) =>
      log.error({ reason: String(reason), err }, message),
  };
}

/** Takes no further step after `stopping`: a step may last as long as an agent takes to stop. */
async function reap(
  options: ReaperOptions,
  warner: ExpiryWarner,
  stopping: AbortSignal,
): Promise<void> {
  const { agents, log } = options;
  try {
    await agents.reconcile();
    await sweep({ ...options, reason: 'idle' }, (life, agentId) =>
      stopping.aborted ? 'none' : warner.dueTransition(agentId, life),
    );
  } catch (error) {
    log.error({ err: error }, 'The reaper failed; the next round tries again');
  }
  // Needs no engine, so it runs even if the steps above failed.
  if (stopping.aborted) return;
  await forgetTurns(options);
  removeOldSnapshots(options);
}

async function forgetTurns({ store, config, log }: ReaperOptions): Promise<void> {
  try {
    const turns = await forgetOldTurns(store.turns, config.TURN_RETENTION);
    if (turns > 0) log.info({ turns }, 'Removed old turns');
  } catch (error) {
    log.error({ err: error }, 'Old turns could not be removed; the next round tries again');
  }
}

function removeOldSnapshots({ snapshots, log }: ReaperOptions): void {
  try {
    const removed = snapshots.prune();
    if (removed.length > 0) log.info({ removed }, 'Removed old snapshots');
  } catch (error) {
    log.error({ err: error }, 'Old snapshots could not be removed; the next round tries again');
  }
}
