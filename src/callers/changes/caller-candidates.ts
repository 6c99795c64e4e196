import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRecord } from '../../agents/agent.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AgentId, AgentName } from '../../identity/agent-id.ts';
import { commitOf } from '../../turns/files/turn-commits.ts';
import { candidatesOf } from '../../turns/trials/trials.ts';
import { type Commit, type CommitOutcome, NO_COMMIT } from '../../workspaces/commits/commit.ts';
import { CallerTurns, type TurnServices, type TurnView } from '../caller-turns.ts';
import { CallerView } from '../caller-view.ts';
import { CallerWorkspaces, type WorkspaceServices } from '../caller-workspaces.ts';
import { mergeConflict } from './merge-conflict.ts';
import { transferCommits, transferConversation } from './transfer.ts';

/** Of one candidate. */
const TURNS_TAKEN = 1000;
const REMOVAL_TRIES = 20;
const REMOVAL_WAIT_MS = 250;

export type CandidateServices = {
  agents: AgentManager;
  store: { agents: AgentStore };
  audit: AuditLog;
  config: Pick<Config, 'COMMIT_FILE_LIMIT' | 'FORK_TIMEOUT'>;
};

type Choice = {
  /** The turn that asked for candidates. */
  turnId: string;
  /** Name of the candidate to promote. Default: the one that was ranked first. */
  candidate?: AgentName | undefined;
  /** Whether all candidates are removed and none is promoted. */
  none?: boolean | undefined;
};

/** What is copied from a candidate to its agent. */
type Transfer = {
  to: AgentLink;
  source: AgentRecord;
  turn: TurnView;
  chosen: AgentRecord;
  threadId: string | undefined;
  ids: readonly string[];
  /** Commits of the agent that were made from some of `ids`. */
  taken: Map<string, Commit>;
};

export type Promoted = {
  agent: AgentName;
  promoted?: AgentName;
  commits: Commit[];
  removed: AgentName[];
  kept: AgentName[];
};

/** The candidates of one caller's turns. */
export class CallerCandidates extends CallerView<
  CandidateServices & TurnServices & WorkspaceServices
> {
  readonly #turns = new CallerTurns(this.services, this.principal);
  readonly #workspaces = new CallerWorkspaces(this.services, this.principal);

  /**
   * Copies the work of one candidate into its agent and removes all candidates. A second call after a
   * failure completes the first. Throws `turn_not_found`, `invalid_input`, `agent_not_found`,
   * `agent_busy`, `forbidden`, `promotion_conflict` with the files in `data.files`, or `copy_failed`; the
   * agent has none or some of the turns of the candidate then.
   */
  async promote(choice: Choice): Promise<Promoted> {
    this.demand('work');
    const turn = this.#turns.get(choice.turnId);
    if (!turn.request.candidates) {
      throw new AppError('invalid_input', `Turn ${turn.turnId} had no candidates.`);
    }
    if (!turn.endedAt) throw new AppError('agent_busy', 'The candidates are still at work.');
    const agent = this.services.ownerships.find(this.principal, turn.agentName);
    const all = candidatesOf(turn, agent).map(({ agentId }) => agentId);
    const chosen = choice.none ? undefined : this.#chosen(turn, choice.candidate);
    if (chosen && !all.includes(chosen.agentId)) {
      throw new AppError(
        'invalid_input',
        `${choice.candidate} is not a candidate of turn ${turn.turnId}.`,
      );
    }
    const commits = chosen ? await this.#promote(turn, chosen) : [];
    const { removed, kept } = await this.#remove(all, chosen?.agentId);
    this.services.audit.append({
      type: 'admin',
      principal: this.principal,
      agentId: agent.agentId,
      turnId: turn.turnId,
      data: { act: 'candidate promoted', candidate: chosen?.agentId, removed },
    });
    const names = (ids: readonly AgentId[]) => ids.map((agentId) => this.nameOf(agentId));
    return {
      agent: turn.agentName,
      ...(chosen && { promoted: this.nameOf(chosen.agentId) }),
      commits,
      removed: names(removed),
      kept: names(kept),
    };
  }

  #chosen(turn: TurnView, named: AgentName | undefined): AgentRecord {
    const candidates = turn.result?.candidates;
    const [best] = Array.isArray(candidates) ? candidates : [];
    const name = named ?? best?.agent_id;
    if (typeof name === 'string') return this.services.ownerships.find(this.principal, name);
    throw new AppError('invalid_input', 'No candidate has completed; give the agent_id of one.');
  }

  async #promote(turn: TurnView, chosen: AgentRecord): Promise<Commit[]> {
    const ids = this.#commitsOf(chosen);
    const { threadId = chosen.forkOf } = chosen;
    return this.#workspaces.change(turn.agentName, async (to, source) => {
      const taken = await findPromoted(to, ids);
      // An earlier call may have been interrupted while it removed the candidate.
      const isDone = taken.size === ids.length && source.forkOf === threadId;
      if (!isDone) await this.#transfer({ to, source, turn, chosen, threadId, ids, taken });
      return [...taken.values()];
    });
  }

  /** Applies the commits that are not in `taken` yet, adds them to it, and copies the conversation. */
  async #transfer({ to, source, turn, chosen, threadId, ids, taken }: Transfer): Promise<void> {
    const { agents, config } = this.services;
    const signal = AbortSignal.timeout(config.FORK_TIMEOUT * 1000);
    await agents.withAgent(chosen.agentId, async (from) => {
      const ends = { from: from.workspace, to: to.workspace, signal };
      const head = await to.workspace.commits.find('HEAD').catch(() => undefined);
      if (ids.length > 0) await transferCommits(ends, ids, head);
      // A commit that was applied before is on the branch; `apply` only finds it.
      for (const id of ids) {
        const commit = await this.#apply(to, source, { id, turn });
        if (commit) taken.set(id, commit);
      }
      if (threadId === undefined) return;
      await transferConversation(ends, threadId);
      this.#continueFrom(to, source, threadId);
    });
  }

  /** Since the candidate was forked, the oldest first. */
  #commitsOf({ agentId }: AgentRecord): string[] {
    return this.#turns
      .list({ agent: this.nameOf(agentId), limit: TURNS_TAKEN })
      .flatMap((each) => commitOf(each)?.id ?? [])
      .reverse();
  }

  async #apply(
    { workspace }: AgentLink,
    { name }: AgentRecord,
    { id, turn }: { id: string; turn: TurnView },
  ): Promise<Commit | undefined> {
    const outcome = await workspace.commits.apply(id, {
      ref: refOf(id),
      at: new Date(),
      author: name,
      message: `Take over a candidate\n\nCodex-Promotes: ${id}\nCodex-Turn: ${turn.turnId}\n`,
      fileLimit: this.services.config.COMMIT_FILE_LIMIT,
    });
    return commitIn(outcome);
  }

  /** The next turn of the agent continues the conversation of the candidate. */
  #continueFrom({ threads }: AgentLink, { agentId }: AgentRecord, forkOf: string): void {
    const { store } = this.services;
    const record = store.agents.get(agentId);
    if (!record) return;
    const { threadId: _earlier, ...rest } = record;
    store.agents.put({ ...rest, forkOf });
    threads.forgetMain();
  }

  /** While the chosen candidate exists, an interrupted call can be repeated: so it goes last. */
  async #remove(
    agentIds: readonly AgentId[],
    last: AgentId | undefined,
  ): Promise<{ removed: AgentId[]; kept: AgentId[] }> {
    const { store } = this.services;
    const there = agentIds.filter((agentId) => store.agents.get(agentId));
    const gone = new Set<AgentId>();
    const remove = async (agentId: AgentId) => {
      if (await this.#removeOne(agentId)) gone.add(agentId);
    };
    await Promise.all(there.filter((agentId) => agentId !== last).map(remove));
    if (last !== undefined && there.includes(last)) await remove(last);
    return {
      removed: there.filter((agentId) => gone.has(agentId)),
      kept: there.filter((agentId) => !gone.has(agentId)),
    };
  }

  /** The server may still use an agent that just worked, for instance to measure its files. */
  async #removeOne(agentId: AgentId): Promise<boolean> {
    for (let tries = 0; tries < REMOVAL_TRIES; tries++) {
      if (await this.services.agents.transition('remove', agentId, 'cleanup')) return true;
      await sleep(REMOVAL_WAIT_MS);
    }
    return false;
  }
}

/** The ref of the commit that was made from a candidate's commit. */
function refOf(id: string): string {
  return `promoted/${id}`;
}

/** Commits of the agent by the ids of the candidate's commits that they were made from. */
async function findPromoted(
  { workspace }: AgentLink,
  ids: readonly string[],
): Promise<Map<string, Commit>> {
  const taken = new Map<string, Commit>();
  for (const id of ids) {
    const ref = `refs/codex/${refOf(id)}`;
    const found = await workspace.commits.find(ref).catch(() => undefined);
    if (found) taken.set(id, { id: found, ref, leftOut: { large: [], inSubmodules: [] } });
  }
  return taken;
}

function commitIn(outcome: CommitOutcome): Commit | undefined {
  if ('commit' in outcome) return outcome.commit;
  const message = 'The candidate cannot be promoted';
  if (!('refused' in outcome)) throw mergeConflict('promotion_conflict', message, outcome);
  const { refused } = outcome;
  // It was applied before, or the files were changed and only the commit failed.
  if (['done', 'failed', 'nothing'].includes(refused)) return undefined;
  const data = { files: [] };
  throw new AppError('promotion_conflict', `${message}: ${NO_COMMIT[refused]}.`, { data });
}
