import { type AgentRecord, agentIdOf, newAgent } from '../../agents/agent.ts';
import type { AgentForks } from '../../agents/agent-forks.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import { AppError, reportError } from '../../errors.ts';
import { sumOfUsage } from '../../gateway/spending/token-usage.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import type { TurnDeadline } from '../turn-deadline.ts';
import type { TurnOutcome } from '../turn-runner.ts';
import { changedLines, judged, rank } from './ranking.ts';

const NAME_LENGTH = 64;
const MARK_LENGTH = 8;

type TrialsOptions = {
  agents: AgentManager;
  store: { agents: AgentStore };
  forks: AgentForks;
  turns: {
    submit(request: TurnRequest): TurnRecord;
    wait(
      turnId: string,
      waiter: { signal: AbortSignal; progress(message: string): void },
    ): Promise<TurnRecord>;
    cancel(turnId: string): Promise<TurnRecord>;
  };
};

export type Trial = {
  record: TurnRecord;
  deadline: TurnDeadline;
  say(message: string): void;
  note(note: string): void;
};

/** One try: what was asked of a fork, or why it could not be. */
type Candidate = { agentId: string; request: TurnRequest; turnId?: string; failure?: unknown };
type Ended = Candidate & Pick<TurnRecord, 'result' | 'error' | 'usage'>;

/**
 * Has the same work done by several forks of an agent side by side, each by a turn of its own. All of
 * it follows from the id of the turn that asked for it, so that a later server takes it up where it is.
 */
export class Trials {
  readonly #options: TrialsOptions;

  constructor(options: TrialsOptions) {
    this.#options = options;
  }

  /** The result of the best, with all of them. Throws `candidates_failed` if none came to an end. */
  async run(trial: Trial): Promise<TurnOutcome> {
    const startedAt = performance.now();
    const candidates = candidatesOf(trial.record, this.#sourceOf(trial.record));
    const threadId = await this.#fork(trial, candidates);
    const ended = await this.#work(trial, candidates);
    const ranked = rank(ended);
    const [best] = ranked;
    if (!best?.result) throw allFailed(ranked);
    if (changedNothing(best)) trial.note('The first candidate changed no file.');
    trial.note('The agent itself was left as it is: promote_candidate takes one over.');
    return {
      threadId,
      result: { ...ownPart(best.result), candidates: ranked.map(shown) },
      usage: sumOfUsage(ended.map(({ usage }) => usage)),
      costUsd: ended.reduce((sum, { result }) => sum + Number(result?.cost_usd ?? 0), 0),
      durationMs: Math.round(performance.now() - startedAt),
    };
  }

  /** Copies the agent as often as there are candidates; answers its conversation. */
  async #fork({ record, deadline, say }: Trial, candidates: Candidate[]): Promise<string> {
    const { agents, store, forks } = this.#options;
    // As it is now: a conversation that begins here has nothing in it to go on from.
    const source = this.#sourceOf(record);
    return agents.withAgent(record.agentId, async ({ threads }) => {
      for (const [index, candidate] of candidates.entries()) {
        if (store.agents.get(candidate.agentId)) continue;
        deadline.signal.throwIfAborted();
        say(`Copying the agent (${index + 1} of ${candidates.length})`);
        await forks.fork(source, forkOf(source, candidate.agentId, index, record), deadline.signal);
      }
      return threads.main();
    });
  }

  async #work({ deadline, say }: Trial, candidates: Candidate[]): Promise<Ended[]> {
    const { turns } = this.#options;
    for (const candidate of candidates) {
      try {
        candidate.turnId = turns.submit(candidate.request).turnId;
      } catch (error) {
        candidate.failure = error;
      }
    }
    const waits = candidates.map(async (candidate, index): Promise<Ended> => {
      const { turnId, failure } = candidate;
      if (turnId === undefined) return { ...candidate, error: reportError(failure) };
      const progress = (message: string) => say(`Candidate ${index + 1}: ${message}`);
      const { result, error, usage } = await turns.wait(turnId, {
        signal: deadline.signal,
        progress,
      });
      return {
        ...candidate,
        ...(result && { result }),
        ...(error && { error }),
        ...(usage && { usage }),
      };
    });
    try {
      return await deadline.race(Promise.all(waits));
    } catch (error) {
      if (deadline.signal.aborted) await this.#cancel(candidates);
      throw error;
    }
  }

  async #cancel(candidates: readonly Candidate[]): Promise<void> {
    const { turns } = this.#options;
    await Promise.allSettled(
      candidates.map(({ turnId }) => turnId !== undefined && turns.cancel(turnId)),
    );
  }

  #sourceOf({ agentId }: TurnRecord): AgentRecord {
    const source = this.#options.store.agents.get(agentId);
    if (source) return source;
    throw new AppError('agent_not_found', `Agent ${agentId} was removed.`);
  }
}

/** What is asked of each fork of the agent. */
export function candidatesOf(
  { turnId, request }: Pick<TurnRecord, 'turnId' | 'request'>,
  source: AgentRecord,
): Candidate[] {
  // What it holds before, each candidate has from the agent itself.
  const { candidates = [], source: _, ...asked } = request;
  return candidates.map(({ model, effort }, index) => {
    const agentId = agentIdOf({ ...source, name: nameOf(source, turnId, index) });
    return {
      agentId,
      request: {
        ...asked,
        agentId,
        model: model ?? asked.model,
        effort: effort ?? asked.effort,
        idempotencyKey: `${turnId}:${index + 1}`,
        trial: turnId,
      },
    };
  });
}

function forkOf(
  source: AgentRecord,
  agentId: string,
  index: number,
  { turnId }: TurnRecord,
): AgentRecord {
  return newAgent(agentId, { ...source, name: nameOf(source, turnId, index) });
}

function nameOf({ name }: AgentRecord, turnId: string, index: number): string {
  const mark = `-try-${turnId.slice(0, MARK_LENGTH)}-${index + 1}`;
  return `${name.slice(0, NAME_LENGTH - mark.length)}${mark}`;
}

/** Without what says where it comes from, which is the trial's to say. */
function ownPart(result: Record<string, unknown>): Record<string, unknown> {
  const { agent_id, session_id, turn_id, duration_ms, usage, cost_usd, notes, commit, ...own } =
    result;
  return own;
}

/** Nobody who did as well changed anything, then. */
function changedNothing({ result }: Ended): boolean {
  return judged({ ...(result && { result }) })?.changes.length === 0;
}

function shown({ agentId, request, turnId, result, error }: Ended, index: number) {
  const { model, effort } = request;
  const counted = judged({ ...(result && { result }) });
  const { check, changes, warnings, duration_ms, cost_usd } = result ?? {};
  return {
    rank: index + 1,
    agent_id: agentId,
    ...(turnId !== undefined && { turn_id: turnId }),
    ...(model !== undefined && { model }),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(counted && { changed_lines: changedLines(counted) }),
    ...(result && { changes, warnings, duration_ms }),
    ...(check !== undefined && { check }),
    ...(cost_usd !== undefined && { cost_usd }),
    ...(error && { error: { code: error.code, message: error.message } }),
  };
}

function allFailed(ended: readonly Ended[]): AppError {
  const candidates = ended.map(shown).map(({ agent_id, ...rest }) => rest);
  const [first] = candidates;
  const why = first?.error ? ` The first: ${first.error.message}` : '';
  return new AppError(
    'candidates_failed',
    `None of ${ended.length} candidates came to an end.${why}`,
    {
      data: { candidates },
    },
  );
}
