import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { explainBrokenTurn, losesConnection } from '../agents/links/broken-turn.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { ModelGateway } from '../gateway/model-gateway.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { DiffBounds } from '../workspaces/file-change.ts';
import type { Snapshot } from '../workspaces/workspace.ts';
import { CodexAsker, type Question } from './asking/codex-asker.ts';
import { noteMissingFiles } from './asking/context-files.ts';
import { subjectOf } from './asking/turn-subject.ts';
import {
  type CheckedWork,
  CheckRounds,
  type CheckSettings,
  type Worked,
} from './checks/check-rounds.ts';
import type { TokenUsage } from './events/turn-event.ts';
import type { EndedTurn, TurnCommits } from './files/turn-commits.ts';
import {
  changesOfTurn,
  summaryOf,
  UNTOUCHED,
  undoFailedTurn,
  undoTurn,
} from './files/turn-files.ts';
import { isNoConnection } from './perseverance.ts';
import type { SentTurn } from './turn.ts';
import { TurnActivity } from './turn-activity.ts';
import type { TurnAccess, TurnFiles } from './turn-kind.ts';
import { leavesAgent, withWorkSoFar } from './work-so-far.ts';

const BREAKS_WITH_CONTAINER = ['codex_failed', 'container_lost', 'workspace_failed'] as const;

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
  readonly #runtime: ContainerRuntime;
  readonly #gateway: ModelGateway;
  readonly #agents: AgentManager;
  readonly #diffBounds: DiffBounds;
  readonly #commits: TurnCommits;
  readonly #log: Logger;
  readonly #rounds: CheckRounds;
  readonly #heldBack = new Map<string, PromiseWithResolvers<void>>();

  constructor(options: TurnRunnerOptions) {
    this.#runtime = options.runtime;
    this.#gateway = options.gateway;
    this.#agents = options.agents;
    const { MAX_DIFF_BYTES: file, MAX_DIFF_TOTAL_BYTES: total } = options.config;
    this.#diffBounds = { file, total };
    this.#commits = options.commits;
    this.#log = options.log;
    this.#rounds = new CheckRounds({ ...options, asker: new CodexAsker(options) });
  }

  /**
   * Keeps answers of the model from an agent whose turn an earlier server sent, until it is taken
   * up: nothing may run before the files are recorded.
   */
  holdBack(agentId: string): void {
    const held = Promise.withResolvers<void>();
    this.#heldBack.set(agentId, held);
    this.#gateway.hold(agentId, held.promise);
  }

  /** Throws an error of the table whenever there is no checked answer. */
  async run(link: AgentLink, run: TurnRun): Promise<TurnOutcome> {
    const startedAt = performance.now();
    const meter = this.#gateway.startMetering(run.request.agentId);
    const threadId = await openThread(link, run).catch(async (error: unknown) => {
      throw await this.#explain(link, run, error, { begun: false });
    });
    for (const note of link.notes.splice(0)) run.onNote(note);
    await run.deadline.race(noteMissingFiles(link, run, this.#log));
    const subject = await run.deadline.race(subjectOf(link, run));
    const access = accessOf(run);
    const before = this.#before(link, run, threadId);
    // It may fail, as by a halt, while nobody waits for it yet.
    before.catch(() => undefined);
    const activity = new TurnActivity(this.#workspaceOf(run), run.onEvent);
    // What an earlier server saw of the turn is not known.
    const mayHaveActed = () => run.sent !== undefined || activity.mayHaveActed(meter.stop());
    const question = { ...run, threadId, access, subject, onEvent: activity.onEvent };
    try {
      const worked = await this.#rounds.work(link, question, before);
      const { answer, checked } = worked;
      const files =
        checked || mayHaveActed()
          ? await this.#filesAfter(link, question, await before, worked)
          : UNTOUCHED;
      for (const note of files.recording.notes) run.onNote(note);
      const durationMs = Math.round(performance.now() - startedAt);
      const result = {
        ...run.kind.result(answer, files, { threadId, check: checked?.report, subject }),
        ...summaryOf(files),
      };
      if (run.request.thread) await this.#leave(link, threadId);
      return { threadId, result, usage: meter.stop(), costUsd: meter.spent().costUsd, durationMs };
    } catch (failure) {
      if (run.detached()) throw failure;
      const error = await this.#explain(link, run, failure, { begun: true });
      if (isNoConnection(error)) {
        // It goes on, and its files have to be recorded by the time it is joined.
        await run.deadline.race(before).catch(() => undefined);
        throw error;
      }
      const files = mayHaveActed()
        ? await this.#filesAfterFailure(question, before, error)
        : UNTOUCHED;
      throw withWorkSoFar(error, activity, files);
    }
  }

  /** Ends a turn that could not be joined, and undoes it if it may only read, as far as that can be done. */
  async abandon(run: Pick<TurnRun, 'request' | 'kind' | 'sent'>): Promise<void> {
    const { request, sent } = run;
    const { agentId } = request;
    try {
      if (accessOf(run) === 'write' || !sent?.before) await this.#agents.halt(agentId);
      else await undoFailedTurn(this.#agents, agentId, sent.before);
    } catch (error) {
      this.#log.warn({ agentId, err: error }, 'A turn that was given up may still run');
    }
  }

  /** What fails because all connections ended says nothing of why they did. */
  async #explain(
    link: AgentLink,
    { request }: TurnRun,
    error: unknown,
    { begun }: { begun: boolean },
  ): Promise<unknown> {
    if (isNoConnection(error) || !BREAKS_WITH_CONTAINER.some((code) => hasCode(error, code))) {
      return error;
    }
    if (!(await losesConnection(link))) return error;
    return explainBrokenTurn(this.#runtime, request.agentId, { begun, cause: error });
  }

  /**
   * The files before the turn. They are recorded while the model thinks: no answer of it gets
   * through before that is done and journalled. Throws at once if the turn cannot be journalled.
   */
  #before(link: AgentLink, run: TurnRun, threadId: string): Promise<Snapshot> {
    const { request, sent, turnId, journal } = run;
    if (sent?.before) return Promise.resolve(sent.before);
    const clientMessageId = sent?.clientMessageId ?? turnId;
    journal({ clientMessageId, threadId });
    const recorded = link.workspace.snapshot().then((before) => {
      journal({ clientMessageId, threadId, before });
      return before;
    });
    const done = recorded.then(() => undefined);
    const held = this.#heldBack.get(request.agentId);
    this.#heldBack.delete(request.agentId);
    held?.resolve(done);
    this.#gateway.hold(request.agentId, done);
    return recorded;
  }

  #filesAfter(
    link: AgentLink,
    question: Question,
    before: Snapshot,
    { answer, checked }: Worked,
  ): Promise<TurnFiles> {
    const { access, threadId } = question;
    if (checked) return this.#recorded(link, question, before, { answer, ...checked });
    if (access === 'write') return this.#changes(link, question, before, answer);
    // Where Codex's own sandbox holds, nothing that a turn started can write.
    return undoTurn(link, before, { threadId, killProcesses: this.#runtime.confines });
  }

  /** What a failed turn leaves in the files: nothing if it may only read, and else what it had done. */
  async #filesAfterFailure(
    question: Question,
    recording: Promise<Snapshot>,
    error: unknown,
  ): Promise<TurnFiles> {
    const { access } = question;
    const { agentId } = question.request;
    const before = await recording.catch(() => undefined);
    // No answer of the model got through, so that nothing was done.
    if (!before) return UNTOUCHED;
    if (access === 'read') await undoFailedTurn(this.#agents, agentId, before);
    if (access === 'read' || !leavesAgent(error)) return UNTOUCHED;
    try {
      return await this.#agents.withAgent(agentId, (link) => this.#changes(link, question, before));
    } catch (cause) {
      this.#log.warn({ agentId, err: cause }, 'What a failed turn had done could not be read');
      return UNTOUCHED;
    }
  }

  /** Of work that was checked the commit is what Codex did, without what the last check wrote. */
  async #recorded(
    { workspace }: AgentLink,
    question: Question,
    before: Snapshot,
    { answer, files, left: after }: CheckedWork & { answer: unknown },
  ): Promise<TurnFiles> {
    if (!after) return files;
    const turn = endedTurn(question, answer);
    return { ...files, recording: await this.#commits.record(workspace, { before, after }, turn) };
  }

  #changes(
    link: AgentLink,
    question: Question,
    before: Snapshot,
    answer?: unknown,
  ): Promise<TurnFiles> {
    const turn = endedTurn(question, answer);
    return changesOfTurn(link, before, {
      bounds: this.#diffBounds,
      record: (workspace, files) => this.#commits.record(workspace, files, turn),
    });
  }

  async #leave({ conversations }: AgentLink, threadId: string): Promise<void> {
    try {
      await conversations.leave(threadId);
    } catch (error) {
      this.#log.debug({ err: error, threadId }, 'The conversation stays in memory');
    }
  }

  #workspaceOf({ request }: TurnRun): string {
    return this.#runtime.layout(request.agentId).workspace;
  }
}

async function openThread({ conversations }: AgentLink, run: TurnRun): Promise<string> {
  const { thread } = run.request;
  const joins = run.sent !== undefined;
  if (!thread) return conversations.main({ joins });
  const known = thread.threadId ?? run.sent?.threadId;
  if (known === undefined) return conversations.begin(thread.settings);
  try {
    await conversations.resume(known, thread.settings, { joins });
    return known;
  } catch (error) {
    // The turn itself began it, and Codex died before it had written anything.
    const isOurs = thread.threadId === undefined;
    if (isOurs && hasCode(error, 'thread_not_found')) return conversations.begin(thread.settings);
    throw error;
  }
}

function endedTurn({ turnId, threadId, request, sent }: Question, answer: unknown): EndedTurn {
  return { turnId, threadId, request, answer, again: sent !== undefined };
}

export function accessOf({ kind, request }: Pick<TurnRun, 'kind' | 'request'>): TurnAccess {
  return kind.access(kind.args.parse(request.args));
}

function hasCode(error: unknown, code: AppError['code']): boolean {
  return error instanceof AppError && error.code === code;
}
