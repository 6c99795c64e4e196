import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { lostConnection } from '../../agents/links/broken-turn.ts';
import type { Config } from '../../config/config.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import type { Answer, CodexAsker, Question } from '../asking/codex-asker.ts';
import type { SentTurn } from '../turn.ts';
import type { TurnFiles } from '../turn-kind.ts';
import {
  type CheckEnd,
  type CheckPlan,
  type CheckProgress,
  type CheckReport,
  type CheckRequest,
  checkFailedPrompt,
  hasPassed,
  isOver,
  NO_CHECKS,
} from './check.ts';
import { filesOfRounds } from './check-files.ts';
import { CheckRunner } from './check-runner.ts';

export type CheckSettings = Pick<
  Config,
  | 'CHECK_MAX_ROUNDS'
  | 'CHECK_TIMEOUT'
  | 'CHECK_OUTPUT_BYTES'
  | 'MAX_DIFF_BYTES'
  | 'MAX_DIFF_TOTAL_BYTES'
>;

type CheckRoundsOptions = {
  runtime: ContainerRuntime;
  agents: AgentManager;
  asker: CodexAsker;
  config: CheckSettings;
};

/** A question about work that may be checked. */
export type CheckedQuestion = Question & { journal: (sent: SentTurn) => void };

export type Worked = {
  answer: Answer;
  /** Only of work that was checked. */
  checked?: CheckedWork;
};

export type CheckedWork = {
  report: CheckReport;
  files: TurnFiles;
  /** As Codex left them, before the last check. */
  left?: Checkpoint | undefined;
};

/**
 * Has Codex work, and where the caller wants that, checks it and has Codex work again until the check
 * passes or the rounds are over. How far that came is journalled, so that a later server goes on.
 */
export class CheckRounds {
  readonly #options: CheckRoundsOptions;
  readonly #runner: CheckRunner;

  constructor(options: CheckRoundsOptions) {
    this.#options = options;
    this.#runner = new CheckRunner(options);
  }

  /** Throws an error of the table whenever there is no checked answer, whatever the check says of the work. */
  async work(
    link: AgentLink,
    question: CheckedQuestion,
    recording: Promise<Checkpoint>,
  ): Promise<Worked> {
    const { kind, request, sent } = question;
    const asked = kind.check?.(kind.args.parse(request.args));
    if (!asked) return { answer: await this.#options.asker.ask(link, question) };
    const plan = this.#planOf(asked);
    let progress = sent?.checks ?? NO_CHECKS;
    for (;;) {
      const answer = await this.#ask(link, question, plan, progress);
      const start = await question.deadline.race(recording);
      if (!isOver(progress, plan)) {
        progress = await this.#check(link, question, { plan, progress, start });
      }
      if (isOver(progress, plan)) {
        return { answer, checked: await this.#report(link, plan, progress, start) };
      }
      await this.#breakOffIfLate(question);
    }
  }

  #planOf({ command, rounds, timeoutSeconds }: CheckRequest): CheckPlan {
    const { CHECK_MAX_ROUNDS, CHECK_TIMEOUT } = this.#options.config;
    return {
      command,
      rounds: rounds ?? CHECK_MAX_ROUNDS,
      timeoutSeconds: timeoutSeconds ?? CHECK_TIMEOUT,
    };
  }

  /** The answer of a round that is over is asked for only to be found again. */
  #ask(
    link: AgentLink,
    question: CheckedQuestion,
    plan: CheckPlan,
    progress: CheckProgress,
  ): Promise<Answer> {
    const done = progress.rounds.length;
    const round = isOver(progress, plan) ? done : done + 1;
    if (round === 1) return this.#options.asker.ask(link, question);
    const prompt = checkFailedPrompt(plan, progress);
    return this.#options.asker.ask(link, question, {
      prompt,
      clientMessageId: messageId(question, round),
    });
  }

  async #check(
    link: AgentLink,
    question: CheckedQuestion,
    { plan, progress, start }: { plan: CheckPlan; progress: CheckProgress; start: Checkpoint },
  ): Promise<CheckProgress> {
    const { turnId, threadId, onEvent } = question;
    const round = progress.rounds.length + 1;
    const journal = (checks: CheckProgress, nextRound = round) => {
      const clientMessageId = nextRound === 1 ? turnId : messageId(question, nextRound);
      question.journal({ clientMessageId, threadId, before: start, checks });
    };
    const before = progress.running ?? (await link.workspace.checkpoint());
    if (progress.running) await this.#endStrays(link, before);
    else journal({ ...progress, running: before });
    const shown = { round, rounds: plan.rounds, command: plan.command };
    onEvent({ type: 'check_started', ...shown });
    const { output, ...end } = await this.#run(link, question, plan, before);
    await this.#endStrays(link, before);
    onEvent({ type: 'check_completed', ...shown, ...eventOf(end), output });
    const after = await link.workspace.checkpoint();
    const checks = { rounds: [...progress.rounds, { ...end, before, after }], output };
    journal(checks, isOver(checks, plan) ? round : round + 1);
    return checks;
  }

  /** What Codex began and may not end, as it refused or never answered, is ended here. */
  async #run(
    link: AgentLink,
    { request, deadline }: Question,
    plan: CheckPlan,
    before: Checkpoint,
  ): Promise<CheckEnd & { output: string }> {
    try {
      return await this.#runner.run(link, request.agentId, plan, deadline);
    } catch (error) {
      const isEnded = deadline.signal.aborted || (await lostConnection(link));
      if (!isEnded) await this.#endStrays(link, before);
      throw error;
    }
  }

  /** Between two rounds nothing else would end what Codex left running. */
  async #breakOffIfLate({ deadline: { signal }, request }: Question): Promise<void> {
    if (signal.aborted) await this.#options.agents.halt(request.agentId);
    signal.throwIfAborted();
  }

  /** Where Codex's own sandbox holds, nothing outlives the command in it. */
  async #endStrays({ workspace }: AgentLink, since: Checkpoint): Promise<void> {
    if (this.#options.runtime.confines) await workspace.killStartedSince(since);
  }

  async #report(
    { workspace }: AgentLink,
    plan: CheckPlan,
    { rounds, output }: CheckProgress,
    start: Checkpoint,
  ): Promise<CheckedWork> {
    const { MAX_DIFF_BYTES: file, MAX_DIFF_TOTAL_BYTES: total } = this.#options.config;
    const { files, written } = await filesOfRounds(workspace, start, rounds, { file, total });
    const { command, rounds: mostRounds, timeoutSeconds } = plan;
    return {
      report: { command, mostRounds, timeoutSeconds, rounds, output, written },
      files,
      left: rounds.at(-1)?.before,
    };
  }
}

/** The id under which Codex has the prompt of a round after the first. */
function messageId({ turnId }: Question, round: number): string {
  return `${turnId}:round-${round}`;
}

function eventOf(end: CheckEnd) {
  const { exitCode, timedOut, durationMs } = end;
  return { passed: hasPassed(end), exitCode: exitCode ?? undefined, timedOut, durationMs };
}
