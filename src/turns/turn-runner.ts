import type { AgentStatus } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { explainBrokenTurn, losesConnection } from '../agents/links/broken-turn.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { ModelGateway } from '../gateway/model-gateway.ts';
import { findSubject, noteMissingFiles } from './asking/turn-subject.ts';
import { leaveThread, openThread } from './asking/turn-thread.ts';
import { type CheckServices, workInRounds } from './checks/check-rounds.ts';
import {
  type FilesServices,
  filesAfterFailure,
  filesAfterWork,
  summaryOf,
} from './files/files-after.ts';
import { FilesBefore } from './files/files-before.ts';
import { withPartialResult } from './files/partial-result.ts';
import type { WorkspaceSource } from './files/workspace-source.ts';
import type { LiveTurn } from './live-turn.ts';
import { isNoConnection } from './retry-until-deadline.ts';
import type { SentTurn, TurnRecord } from './turn.ts';
import { TurnActivity } from './turn-activity.ts';
import type { TurnAttempt } from './turn-attempt.ts';
import { UNTOUCHED } from './turn-kind.ts';
import type { TurnOutcome } from './turn-outcome.ts';
import type { TurnStore } from './turn-store.ts';

const AWAKE: ReadonlySet<AgentStatus> = new Set(['busy', 'idle']);
/** The end of the container may be the cause of these. */
const BREAKS_WITH_CONTAINER: ReadonlySet<ErrorCode> = new Set([
  'codex_failed',
  'container_lost',
  'workspace_failed',
]);

type TurnRunnerOptions = CheckServices &
  FilesServices & {
    agents: AgentManager;
    gateway: ModelGateway;
    source: WorkspaceSource;
    store: { agents: AgentStore; turns: TurnStore; transaction<T>(work: () => T): T };
  };

/** Runs one attempt of a turn: wakes the agent, fills its workspace, asks Codex, looks at the files. */
export class TurnRunner {
  readonly #options: TurnRunnerOptions;
  readonly #filesBefore: FilesBefore;

  constructor(options: TurnRunnerOptions) {
    this.#options = options;
    this.#filesBefore = new FilesBefore(options.gateway);
  }

  /** Throws an error of the table if there is no checked answer. */
  async run(turn: LiveTurn): Promise<TurnOutcome> {
    const { agents, source } = this.#options;
    const { record, deadline } = turn;
    const { agentId, sent } = record;
    // Before the agent is connected to the gateway again: its Codex may wait for an answer.
    if (sent && !sent.before) this.#filesBefore.hold(agentId);
    source.attach(record);
    if (!AWAKE.has(agents.statusOf(agentId))) turn.progress.report('Waking the agent');
    return agents.withAgent(agentId, async (link) => {
      deadline.signal.throwIfAborted();
      turn.connected();
      await source.fill(turn);
      record.state = 'running';
      return this.#runOn(link, turn);
    });
  }

  async #runOn(link: AgentLink, turn: LiveTurn): Promise<TurnOutcome> {
    const { gateway, log } = this.#options;
    const { record, prepared, deadline, events } = turn;
    const { sent } = record;
    const startedAt = performance.now();
    const meter = gateway.startMetering(record.agentId);
    const threadId = await openThread(link, record).catch(async (error: unknown) => {
      throw await this.#explain(link, record, error, { begun: false });
    });
    for (const note of link.notes.splice(0)) turn.note(note);
    await deadline.race(noteMissingFiles(link, turn, log));
    const subject = await deadline.race(findSubject(link, turn));
    const attempt: TurnAttempt = { turn, link, threadId, subject, sent };
    const journal = (next: SentTurn) => this.#journal(record, next);
    const recording = this.#filesBefore.record(attempt, journal);
    // The recording may fail, for example by a halt, before anything waits for it.
    recording.catch(() => undefined);
    const activity = new TurnActivity();
    const stopListening = events.listen((event) => activity.add(event));
    // What an earlier server saw of the turn is not known.
    const mayHaveActed = () => sent !== undefined || activity.mayHaveActed(meter.stop());
    try {
      const worked = await workInRounds(this.#options, attempt, recording, journal);
      const files =
        worked.checked || mayHaveActed()
          ? await filesAfterWork(this.#options, attempt, await recording, worked)
          : UNTOUCHED;
      for (const note of files.recording.notes) turn.note(note);
      const durationMs = Math.round(performance.now() - startedAt);
      const context = { threadId, check: worked.checked?.report, subject };
      const result = { ...prepared.result(worked.answer, files, context), ...summaryOf(files) };
      await leaveThread(attempt, log);
      return { threadId, result, usage: meter.stop(), costUsd: meter.spent().costUsd, durationMs };
    } catch (failure) {
      if (turn.detached) throw failure;
      const error = await this.#explain(link, record, failure, { begun: true });
      if (isNoConnection(error)) {
        // The turn runs on, and its files must be recorded before the next attempt joins it.
        await deadline.race(recording).catch(() => undefined);
        throw error;
      }
      const files = mayHaveActed()
        ? await filesAfterFailure(this.#options, attempt, recording, error)
        : UNTOUCHED;
      throw withPartialResult(error, activity, files);
    } finally {
      stopListening();
    }
  }

  /** Makes durable what a later server needs to find the turn again. */
  #journal(record: TurnRecord, sent: SentTurn): void {
    const { store } = this.#options;
    store.transaction(() => {
      store.agents.touch(record.agentId, new Date());
      store.turns.put({ ...record, sent });
    });
    record.sent = sent;
  }

  /** Replaces an error that follows from the end of all connections by the reason of that end. */
  async #explain(
    link: AgentLink,
    { agentId }: TurnRecord,
    error: unknown,
    { begun }: { begun: boolean },
  ): Promise<unknown> {
    if (!(error instanceof AppError) || !BREAKS_WITH_CONTAINER.has(error.code)) return error;
    if (isNoConnection(error) || !(await losesConnection(link))) return error;
    return explainBrokenTurn(this.#options.runtime, agentId, { begun, cause: error });
  }
}
