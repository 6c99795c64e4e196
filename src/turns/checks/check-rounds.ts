import { lostConnection } from '../../agents/links/broken-turn.ts';
import type { Config } from '../../config/config.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import { askCodex, type CodexTurnServices } from '../asking/codex-turn.ts';
import type { SentTurn } from '../turn.ts';
import type { TurnAttempt } from '../turn-attempt.ts';
import type { Answer, TurnFiles } from '../turn-kind.ts';
import {
  type CheckEnd,
  type CheckPlan,
  type CheckProgress,
  type CheckReport,
  checkFailedPrompt,
  hasPassed,
  isOver,
  NO_CHECKS,
  planCheck,
} from './check.ts';
import { runCheckCommand } from './check-command.ts';
import { filesOfRounds } from './check-files.ts';

export type CheckServices = CodexTurnServices & {
  config: Pick<
    Config,
    | 'CHECK_MAX_ROUNDS'
    | 'CHECK_TIMEOUT'
    | 'CHECK_OUTPUT_BYTES'
    | 'MAX_DIFF_BYTES'
    | 'MAX_DIFF_TOTAL_BYTES'
  >;
};

export type Worked = {
  answer: Answer;
  /** Undefined without a check. */
  checked?: CheckedWork;
};

export type CheckedWork = {
  report: CheckReport;
  files: TurnFiles;
  /** The files as Codex left them, before the last check. */
  left?: Checkpoint | undefined;
};

/** Makes durable how far a turn has come. */
type Journal = (sent: SentTurn) => void;

/**
 * Asks Codex and, if the caller wants a check, repeats check and Codex until the check passes or the
 * rounds are used up. The progress is journaled, so that a later server can continue. Throws an error
 * of the table if there is no checked answer, but not for a check that fails.
 */
export async function workInRounds(
  services: CheckServices,
  attempt: TurnAttempt,
  recording: Promise<Checkpoint>,
  journal: Journal,
): Promise<Worked> {
  const { turn, sent } = attempt;
  const { signal } = turn.deadline;
  if (!turn.prepared.check) return { answer: await askCodex(services, attempt) };
  const plan = planCheck(turn.prepared.check, services.config);
  let progress = sent?.checks ?? NO_CHECKS;
  for (;;) {
    const answer = await askInRound(services, attempt, plan, progress);
    const start = await turn.deadline.race(recording);
    if (!isOver(progress, plan)) {
      progress = await runCheck(services, attempt, { plan, progress, start, journal });
    }
    if (isOver(progress, plan)) {
      return { answer, checked: await reportOf(services, attempt, { plan, progress, start }) };
    }
    // Between two rounds nothing else would end what Codex left running.
    if (signal.aborted) await services.agents.halt(turn.record.agentId);
    signal.throwIfAborted();
  }
}

/** Reads the answer again if its round is over. */
function askInRound(
  services: CheckServices,
  attempt: TurnAttempt,
  plan: CheckPlan,
  progress: CheckProgress,
): Promise<Answer> {
  const done = progress.rounds.length;
  const round = isOver(progress, plan) ? done : done + 1;
  if (round === 1) return askCodex(services, attempt);
  const prompt = checkFailedPrompt(plan, progress);
  return askCodex(services, attempt, { prompt, clientMessageId: messageId(attempt, round) });
}

type CheckState = { plan: CheckPlan; progress: CheckProgress; start: Checkpoint };

async function runCheck(
  services: CheckServices,
  attempt: TurnAttempt,
  { plan, progress, start, journal }: CheckState & { journal: Journal },
): Promise<CheckProgress> {
  const { turn, link, threadId } = attempt;
  const { events } = turn;
  const round = progress.rounds.length + 1;
  const journalChecks = (checks: CheckProgress, nextRound = round) =>
    journal({ clientMessageId: messageId(attempt, nextRound), threadId, before: start, checks });
  const before = progress.running ?? (await link.workspace.checkpoint());
  if (progress.running) await killStrays(services, attempt, before);
  else journalChecks({ ...progress, running: before });
  const shown = { round, rounds: plan.rounds, command: plan.command };
  events.emit({ type: 'check_started', ...shown });
  const { output, ...end } = await runCommand(services, attempt, plan, before);
  await killStrays(services, attempt, before);
  const { exitCode, timedOut, durationMs } = end;
  events.emit({
    type: 'check_completed',
    ...shown,
    ...{ passed: hasPassed(end), exitCode: exitCode ?? undefined, timedOut, durationMs, output },
  });
  const after = await link.workspace.checkpoint();
  const checks = { rounds: [...progress.rounds, { ...end, before, after }], output };
  journalChecks(checks, isOver(checks, plan) ? round : round + 1);
  return checks;
}

/** Kills what a command left that Codex started but did not end, for example after an error. */
async function runCommand(
  services: CheckServices,
  attempt: TurnAttempt,
  plan: CheckPlan,
  before: Checkpoint,
): Promise<CheckEnd & { output: string }> {
  try {
    return await runCheckCommand(services, attempt, plan);
  } catch (error) {
    const isEnded = attempt.turn.deadline.signal.aborted || (await lostConnection(attempt.link));
    if (!isEnded) await killStrays(services, attempt, before);
    throw error;
  }
}

/** Where Codex's own sandbox holds, nothing outlives the command in it. */
async function killStrays(
  { runtime }: CheckServices,
  { link }: TurnAttempt,
  since: Checkpoint,
): Promise<void> {
  if (runtime.confines) await link.workspace.killStartedSince(since);
}

async function reportOf(
  { config }: CheckServices,
  { link }: TurnAttempt,
  { plan, progress, start }: CheckState,
): Promise<CheckedWork> {
  const { rounds, output } = progress;
  const bounds = { file: config.MAX_DIFF_BYTES, total: config.MAX_DIFF_TOTAL_BYTES };
  const { files, written } = await filesOfRounds(link.workspace, start, rounds, bounds);
  const { command, rounds: mostRounds, timeoutSeconds } = plan;
  return {
    report: { command, mostRounds, timeoutSeconds, rounds, output, written },
    files,
    left: rounds.at(-1)?.before,
  };
}

/** The id under which Codex stores the prompt of a round. */
function messageId({ turn }: TurnAttempt, round: number): string {
  const { turnId } = turn.record;
  return round === 1 ? turnId : `${turnId}:round-${round}`;
}
