import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { explainBrokenTurn, losesConnection } from '../agents/links/broken-turn.ts';
import type { Config } from '../config/config.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { ModelGateway } from '../gateway/model-gateway.ts';
import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { CodexAsker, type Question } from './asking/codex-asker.ts';
import { noteMissingFiles } from './asking/context-files.ts';
import { subjectOf } from './asking/turn-subject.ts';
import { leaveThread, openThread } from './asking/turn-thread.ts';
import { CheckRounds, type CheckSettings, type Worked } from './checks/check-rounds.ts';
import { FilesAfter } from './files/files-after.ts';
import { FilesBefore } from './files/files-before.ts';
import type { TurnCommits } from './files/turn-commits.ts';
import { summaryOf, undoFailedTurn } from './files/turn-files.ts';
import { isNoConnection } from './retry-until-deadline.ts';
import type { SentTurn } from './turn.ts';
import { TurnActivity } from './turn-activity.ts';
import { type TurnFiles, UNTOUCHED } from './turn-kind.ts';
import { accessOf } from './turn-kinds.ts';
import { withWorkSoFar } from './work-so-far.ts';

/** What these say may only follow from the end of the container. */
const BREAKS_WITH_CONTAINER: ReadonlySet<ErrorCode> = new Set([
  'codex_failed',
  'container_lost',
  'workspace_failed',
]);

type TurnRunnerOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentManager;
  commits: TurnCommits;
  config: Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'> & CheckSettings;
  log: Logger;
};

export type TurnRun = Omit<Question, 'threadId' | 'access' | 'subject'> & {
  /** Hears what the caller has to know besides the result. */
  onNote: (note: string) => void;
  /** Whether the server has let go of the turn, which runs on. */
  detached: () => boolean;
  /** Makes durable what a later server needs to find the turn again. */
  journal: (sent: SentTurn) => void;
};

export type TurnOutcome = {
  threadId: string;
  /** The checked answer and what it means for the files, as the kind puts them. */
  result: Record<string, unknown>;
  usage: TokenUsage;
  /** What the model cost, as far as its prices are known. */
  costUsd: number;
  durationMs: number;
};

/** Runs one turn on an agent that is awake: has Codex asked, and looks at the files. */
export class TurnRunner {
  readonly #options: TurnRunnerOptions;
  readonly #filesBefore: FilesBefore;
  readonly #filesAfter: FilesAfter;
  readonly #rounds: CheckRounds;

  constructor(options: TurnRunnerOptions) {
    this.#options = options;
    this.#filesBefore = new FilesBefore(options.gateway);
    this.#filesAfter = new FilesAfter(options);
    this.#rounds = new CheckRounds({ ...options, asker: new CodexAsker(options) });
  }

  /**
   * Keeps answers of the model from an agent whose turn an earlier server sent, until it is taken
   * up: nothing may run before the files are recorded.
   */
  holdBack(agentId: string): void {
    this.#filesBefore.holdBack(agentId);
  }

  /** Throws an error of the table whenever there is no checked answer. */
  async run(link: AgentLink, run: TurnRun): Promise<TurnOutcome> {
    const { gateway, runtime, log } = this.#options;
    const { agentId } = run.request;
    const startedAt = performance.now();
    const meter = gateway.startMetering(agentId);
    const threadId = await openThread(link, run).catch(async (error: unknown) => {
      throw await this.#explain(link, run, error, { begun: false });
    });
    for (const note of link.notes.splice(0)) run.onNote(note);
    await run.deadline.race(noteMissingFiles(link, run, log));
    const subject = await run.deadline.race(subjectOf(link, run));
    const activity = new TurnActivity(runtime.layout(agentId).workspace, run.onEvent);
    const { onEvent } = activity;
    const question = { ...run, threadId, access: accessOf(run), subject, onEvent };
    const recording = this.#filesBefore.record(link, question);
    // It may fail, as by a halt, while nobody waits for it yet.
    recording.catch(() => undefined);
    // What an earlier server saw of the turn is not known.
    const mayHaveActed = () => run.sent !== undefined || activity.mayHaveActed(meter.stop());
    try {
      const worked = await this.#rounds.work(link, question, recording);
      const files =
        worked.checked || mayHaveActed()
          ? await this.#filesAfter.ofWork(link, question, await recording, worked)
          : UNTOUCHED;
      for (const note of files.recording.notes) run.onNote(note);
      const durationMs = Math.round(performance.now() - startedAt);
      const result = resultOf(question, worked, files);
      await leaveThread(link, question, log);
      return { threadId, result, usage: meter.stop(), costUsd: meter.spent().costUsd, durationMs };
    } catch (failure) {
      if (run.detached()) throw failure;
      const error = await this.#explain(link, run, failure, { begun: true });
      if (isNoConnection(error)) {
        // It goes on, and its files have to be recorded by the time it is joined.
        await run.deadline.race(recording).catch(() => undefined);
        throw error;
      }
      const files = mayHaveActed()
        ? await this.#filesAfter.ofFailure(question, recording, error)
        : UNTOUCHED;
      throw withWorkSoFar(error, activity, files);
    }
  }

  /** Ends a turn that could not be joined, and undoes it if it may only read, as far as that can be done. */
  async abandon(run: Pick<TurnRun, 'request' | 'kind' | 'sent'>): Promise<void> {
    const { agents, log } = this.#options;
    const { request, sent } = run;
    const { agentId } = request;
    try {
      if (accessOf(run) === 'write' || !sent?.before) await agents.halt(agentId);
      else await undoFailedTurn(agents, agentId, sent.before);
    } catch (error) {
      log.warn({ agentId, err: error }, 'A turn that was given up may still run');
    }
  }

  /** What fails because all connections ended says nothing of why they did. */
  async #explain(
    link: AgentLink,
    { request }: TurnRun,
    error: unknown,
    { begun }: { begun: boolean },
  ): Promise<unknown> {
    if (isNoConnection(error) || !breaksWithContainer(error)) return error;
    if (!(await losesConnection(link))) return error;
    return explainBrokenTurn(this.#options.runtime, request.agentId, { begun, cause: error });
  }
}

/** The part of the result that is the kind's to say, and what every kind tells of the files. */
function resultOf(
  { kind, threadId, subject }: Question,
  { answer, checked }: Worked,
  files: TurnFiles,
): Record<string, unknown> {
  const turn = { threadId, check: checked?.report, subject };
  return { ...kind.result(answer, files, turn), ...summaryOf(files) };
}

function breaksWithContainer(error: unknown): boolean {
  return error instanceof AppError && BREAKS_WITH_CONTAINER.has(error.code);
}
