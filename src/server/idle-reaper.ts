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

/** With two it is seen whether the rounds are close to each other or far apart. */
const ROUNDS_AHEAD = 2;
const LOOK_MS = 10_000;
/** More than a clock is adjusted by while it runs. */
const JUMP_MS = 5_000;

type ReaperOptions = {
  agents: AgentManager;
  store: { readonly agents: AgentStore; readonly turns: TurnStore };
  backups: { tidy(): string[] };
  config: ExpirySettings & Pick<Config, 'REAPER_SCHEDULE' | 'TURN_RETENTION'>;
  log: Logger;
};

/**
 * Puts idle agents to sleep and clears up on a schedule, and tells before; call what is returned to
 * end it.
 */
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
  const check = () => warner.check(task.getNextRuns(ROUNDS_AHEAD));
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

/** A schedule waits for a time of day: that of a clock that was set back comes as much later. */
function onClockSet(listener: (seconds: number) => void): () => void {
  const ahead = () => Date.now() - monotonicNow();
  let last = ahead();
  const timer = setInterval(() => {
    const jump = ahead() - last;
    last += jump;
    if (Math.abs(jump) > JUMP_MS) listener(Math.round(jump / 1000));
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}

/** Else node-cron writes text to the console, where standard output may be that of MCP. */
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

/** Takes no further step once it shall stop: each may last as long as an agent takes to end. */
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
  // Needs no engine, whose absence is what the rest fails of.
  if (stopping.aborted) return;
  await forgetTurns(options);
  removeOldBackups(options);
}

async function forgetTurns({ store, config, log }: ReaperOptions): Promise<void> {
  try {
    const turns = await forgetOldTurns(store.turns, config.TURN_RETENTION);
    if (turns > 0) log.info({ turns }, 'Removed old turns');
  } catch (error) {
    log.error({ err: error }, 'Old turns could not be removed; the next round tries again');
  }
}

function removeOldBackups({ backups, log }: ReaperOptions): void {
  try {
    const removed = backups.tidy();
    if (removed.length > 0) log.info({ removed }, 'Removed old snapshots');
  } catch (error) {
    log.error({ err: error }, 'Old snapshots could not be removed; the next round tries again');
  }
}
