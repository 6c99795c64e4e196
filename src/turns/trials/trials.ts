import { type AgentRecord, agentIdOf, newAgent } from '../../agents/agent.ts';
import type { AgentForks } from '../../agents/agent-forks.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import { AppError, reportError } from '../../errors.ts';
import { sumOfUsage } from '../../gateway/spending/token-usage.ts';
import type { AgentId, AgentName } from '../../identity/agent-id.ts';
import type { WorkspaceSource } from '../files/workspace-source.ts';
import type { LiveTurn } from '../live-turn.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import type { TurnOutcome } from '../turn-outcome.ts';
import { changedLines, judged, rank } from './ranking.ts';

const NAME_LENGTH = 64;
const MARK_LENGTH = 8;

type TrialsOptions = {
  agents: AgentManager;
  store: { agents: AgentStore };
  forks: AgentForks;
  source: WorkspaceSource;
};

/** The turns of candidates, as a trial needs them. */
export interface CandidateTurns {
  submit(request: TurnRequest): TurnRecord;
  wait(
    turnId: string,
    waiter: { signal: AbortSignal; progress(message: string): void },
  ): Promise<TurnRecord>;
  cancel(turnId: string): Promise<TurnRecord>;
}

/** The request to one fork. `failure` is why it was not accepted. */
type Candidate = { agentId: AgentId; request: TurnRequest; turnId?: string; failure?: unknown };
type EndedCandidate = Candidate & Pick<TurnRecord, 'result' | 'error' | 'usage'>;

/**
 * Runs a turn as several candidates side by side: each is a turn of a fork of the agent. Forks and turns
 * follow from the id of the turn, so that a later server finds them again.
 */
export class Trials {
  readonly #options: TrialsOptions;

  constructor(options: TrialsOptions) {
    this.#options = options;
  }

  /**
   * Returns the result of the best candidate, with a list of all. Throws `candidates_failed` if all
   * candidates failed.
   */
  async run(turn: LiveTurn, turns: CandidateTurns): Promise<TurnOutcome> {
    const { record } = turn;
    const startedAt = performance.now();
    await this.#fill(turn);
    record.state = 'running';
    const source = this.#sourceOf(record);
    const candidates = candidatesOf(record, source);
    await this.#fork(turn, source, candidates);
    const threadId = await this.#threadOf(source);
    const ended = await runCandidates(turn, candidates, turns);
    const ranked = rank(ended);
    const [best] = ranked;
    if (!best?.result) throw allFailed(ranked);
    if (changedNothing(best)) turn.note('The first candidate changed no file.');
    turn.note('The agent itself was left as it is: promote_candidate takes one over.');
    return {
      threadId,
      result: { ...ownPart(best.result), candidates: ranked.map(shown) },
      usage: sumOfUsage(ended.map(({ usage }) => usage)),
      costUsd: ended.reduce((sum, { result }) => sum + Number(result?.cost_usd ?? 0), 0),
      durationMs: Math.round(performance.now() - startedAt),
    };
  }

  async #fill(turn: LiveTurn): Promise<void> {
    const { agents, source } = this.#options;
    const { agentId, request } = turn.record;
    source.attach(turn.record);
    turn.connected();
    if (request.source) await agents.withAgent(agentId, () => source.fill(turn));
  }

  async #fork(turn: LiveTurn, source: AgentRecord, candidates: Candidate[]): Promise<void> {
    const { store, forks } = this.#options;
    const { record, deadline, progress } = turn;
    for (const [index, { agentId }] of candidates.entries()) {
      if (store.agents.get(agentId)) continue;
      deadline.signal.throwIfAborted();
      progress.report(`Copying the agent (${index + 1} of ${candidates.length})`);
      const fork = newAgent(agentId, { ...source, name: nameOf(source, record.turnId, index) });
      await forks.fork(source, fork, deadline.signal);
    }
  }

  /** The agent's own thread. An agent without one is woken and starts it. */
  async #threadOf({ agentId, threadId }: AgentRecord): Promise<string> {
    if (threadId !== undefined) return threadId;
    return this.#options.agents.withAgent(agentId, ({ threads }) => threads.main());
  }

  #sourceOf({ agentId }: TurnRecord): AgentRecord {
    const source = this.#options.store.agents.get(agentId);
    if (source) return source;
    throw new AppError('agent_not_found', `Agent ${agentId} was removed.`);
  }
}

/** Waits for all candidates. Cancels them if the turn ends before. */
async function runCandidates(
  { deadline, progress }: LiveTurn,
  candidates: Candidate[],
  turns: CandidateTurns,
): Promise<EndedCandidate[]> {
  for (const candidate of candidates) {
    try {
      candidate.turnId = turns.submit(candidate.request).turnId;
    } catch (error) {
      candidate.failure = error;
    }
  }
  const waits = candidates.map(async (candidate, index): Promise<EndedCandidate> => {
    const { turnId, failure } = candidate;
    if (turnId === undefined) return { ...candidate, error: reportError(failure) };
    const { result, error, usage } = await turns.wait(turnId, {
      signal: deadline.signal,
      progress: (message) => progress.report(`Candidate ${index + 1}: ${message}`),
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
    if (deadline.signal.aborted) {
      const ids = candidates.flatMap(({ turnId }) => turnId ?? []);
      await Promise.allSettled(ids.map((turnId) => turns.cancel(turnId)));
    }
    throw error;
  }
}

/** The request to each fork of the agent. */
export function candidatesOf(
  { turnId, request }: Pick<TurnRecord, 'turnId' | 'request'>,
  source: AgentRecord,
): Candidate[] {
  // The forks have the files of the source already.
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

function nameOf({ name }: AgentRecord, turnId: string, index: number): AgentName {
  const mark = `-try-${turnId.slice(0, MARK_LENGTH)}-${index + 1}`;
  return `${name.slice(0, NAME_LENGTH - mark.length)}${mark}`;
}

/** The result of a candidate without its origin: that of the trial takes its place. */
function ownPart(result: Record<string, unknown>): Record<string, unknown> {
  const { agent_id, session_id, turn_id, duration_ms, usage, cost_usd, notes, commit, ...own } =
    result;
  return own;
}

/** The candidates are ranked: none that ended as well changed anything then. */
function changedNothing({ result }: EndedCandidate): boolean {
  return judged({ ...(result && { result }) })?.changes.length === 0;
}

function shown({ agentId, request, turnId, result, error }: EndedCandidate, index: number) {
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

function allFailed(ended: readonly EndedCandidate[]): AppError {
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
