import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRecord } from '../../agents/agent.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { commitOf } from '../../turns/files/turn-commits.ts';
import { candidatesOf } from '../../turns/trials/trials.ts';
import type { TurnRecord } from '../../turns/turn.ts';
import { type Commit, type CommitOutcome, NO_COMMIT } from '../../workspaces/commits/commit.ts';
import type { Access } from '../access.ts';
import { transferCommits, transferConversation } from './transfer.ts';

/** Of one candidate. */
const TURNS_TAKEN = 1000;
const REMOVAL_TRIES = 20;
const REMOVAL_WAIT_MS = 250;

type Options = {
  access: Access;
  agents: AgentManager;
  store: { agents: AgentStore };
  audit: AuditLog;
  config: Pick<Config, 'COMMIT_FILE_LIMIT' | 'FORK_TIMEOUT'>;
};

type Choice = {
  /** The turn that asked for candidates. */
  turnId: string;
  /** What the caller calls the chosen one; none of them, or by default the best. */
  candidate?: string | undefined;
  none?: boolean | undefined;
};

/** What of a candidate goes where. */
type Delivery = {
  to: AgentLink;
  source: AgentRecord;
  turn: TurnRecord;
  chosen: AgentRecord;
  threadId: string | undefined;
  ids: readonly string[];
  /** Commits of the agent that took over some of `ids`. */
  taken: Map<string, Commit>;
};

export type Promoted = {
  agent: string;
  promoted?: string;
  commits: Commit[];
  removed: string[];
  kept: string[];
};

/** Ends a trial: takes over into the agent what one candidate did, and removes all of them. */
export class Promotion {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Doing it again after a failure completes it. Throws `turn_not_found`, `invalid_input`,
   * `agent_not_found`, `agent_busy`, `forbidden`, `promotion_conflict` with the files in `data.files`, or
   * `copy_failed`; then the agent is as it was, or has some of the turns of the candidate.
   */
  async promote(principal: Principal, choice: Choice): Promise<Promoted> {
    const own = this.#options.access.agents(principal);
    own.demand('work');
    const turn = this.#options.access.turns(principal).get(choice.turnId);
    if (!turn.request.candidates) {
      throw new AppError('invalid_input', `Turn ${turn.turnId} had no candidates.`);
    }
    if (!turn.endedAt) throw new AppError('agent_busy', 'The candidates are at work.');
    const all = candidatesOf(turn, own.get(turn.agentId)).map(({ agentId }) => agentId);
    const chosen = choice.none ? undefined : this.#chosen(principal, turn, choice.candidate);
    if (chosen && !all.includes(chosen.agentId)) {
      throw new AppError('invalid_input', `${choice.candidate} is no candidate of that turn.`);
    }
    const commits = chosen ? await this.#takeOver(principal, turn, chosen) : [];
    const { removed, kept } = await this.#remove(all, chosen?.agentId);
    this.#options.audit.append({
      type: 'admin',
      principal,
      agentId: own.get(turn.agentId).agentId,
      turnId: turn.turnId,
      data: { act: 'candidate promoted', candidate: chosen?.agentId, removed },
    });
    const names = (ids: readonly string[]) => ids.map((agentId) => own.nameOf(agentId));
    return {
      agent: turn.agentId,
      ...(chosen && { promoted: own.nameOf(chosen.agentId) }),
      commits,
      removed: names(removed),
      kept: names(kept),
    };
  }

  #chosen(principal: Principal, turn: TurnRecord, named: string | undefined): AgentRecord {
    const candidates = turn.result?.candidates;
    const [best] = Array.isArray(candidates) ? candidates : [];
    const name = named ?? best?.agent_id;
    if (typeof name === 'string') return this.#options.access.agents(principal).get(name);
    throw new AppError('invalid_input', 'No candidate came to an end; say which one is meant.');
  }

  async #takeOver(principal: Principal, turn: TurnRecord, chosen: AgentRecord): Promise<Commit[]> {
    const ids = this.#commitsOf(principal, chosen);
    const { threadId = chosen.forkOf } = chosen;
    const { access } = this.#options;
    return access.workspaces(principal).change(turn.agentId, async (to, source) => {
      const taken = await takenOver(to, ids);
      // An earlier call that was cut off may have got as far as to remove the candidate.
      const isOver = taken.size === ids.length && source.forkOf === threadId;
      if (!isOver) await this.#bring({ to, source, turn, chosen, threadId, ids, taken });
      return [...taken.values()];
    });
  }

  /** Takes the commits over, adding to `taken` what was not yet; then the conversation. */
  async #bring({ to, source, turn, chosen, threadId, ids, taken }: Delivery): Promise<void> {
    const { agents, config } = this.#options;
    const signal = AbortSignal.timeout(config.FORK_TIMEOUT * 1000);
    await agents.withAgent(chosen.agentId, async (from) => {
      const ends = { from: from.workspace, to: to.workspace, signal };
      const head = await to.workspace.commits.find('HEAD').catch(() => undefined);
      if (ids.length > 0) await transferCommits(ends, ids, head);
      // One that was taken over before is only told of, and is on the branch then.
      for (const id of ids) {
        const commit = await this.#apply(to, source, { id, turn });
        if (commit) taken.set(id, commit);
      }
      if (threadId === undefined) return;
      await transferConversation(ends, threadId);
      this.#converse(to, source, threadId);
    });
  }

  /** What the candidate did since it was forked, the oldest first. */
  #commitsOf(principal: Principal, chosen: AgentRecord): string[] {
    const { access } = this.#options;
    const agent = access.agents(principal).nameOf(chosen.agentId);
    return access
      .turns(principal)
      .list({ agent, limit: TURNS_TAKEN })
      .flatMap((each) => commitOf(each)?.id ?? [])
      .reverse();
  }

  async #apply(
    { workspace }: AgentLink,
    { name }: AgentRecord,
    { id, turn }: { id: string; turn: TurnRecord },
  ): Promise<Commit | undefined> {
    const outcome = await workspace.commits.apply(id, {
      ref: refOf(id),
      at: new Date(),
      author: name,
      message: `Take over a candidate\n\nCodex-Promotes: ${id}\nCodex-Turn: ${turn.turnId}\n`,
      fileLimit: this.#options.config.COMMIT_FILE_LIMIT,
    });
    return commitIn(outcome);
  }

  /** The agent goes on from the conversation of the candidate. */
  #converse({ threads }: AgentLink, { agentId }: AgentRecord, forkOf: string): void {
    const { store } = this.#options;
    const record = store.agents.get(agentId);
    if (!record) return;
    const { threadId: _earlier, ...rest } = record;
    store.agents.put({ ...rest, forkOf });
    threads.forgetMain();
  }

  /** One goes last: as long as it is there, a call that was cut off can be made again. */
  async #remove(
    agentIds: readonly string[],
    last: string | undefined,
  ): Promise<{ removed: string[]; kept: string[] }> {
    const { store } = this.#options;
    const there = agentIds.filter((agentId) => store.agents.get(agentId));
    const gone = new Set<string>();
    const remove = async (agentId: string) => {
      if (await this.#removeOne(agentId)) gone.add(agentId);
    };
    await Promise.all(there.filter((agentId) => agentId !== last).map(remove));
    if (last !== undefined && there.includes(last)) await remove(last);
    return {
      removed: there.filter((agentId) => gone.has(agentId)),
      kept: there.filter((agentId) => !gone.has(agentId)),
    };
  }

  /** An agent that just worked may be looked at a moment longer, as for the size of its files. */
  async #removeOne(agentId: string): Promise<boolean> {
    for (let tries = 0; tries < REMOVAL_TRIES; tries++) {
      if (await this.#options.agents.transition('remove', agentId, 'cleanup')) return true;
      await sleep(REMOVAL_WAIT_MS);
    }
    return false;
  }
}

/** Where the commit is that took over another one. */
function refOf(id: string): string {
  return `promoted/${id}`;
}

/** The commits that took over some others, by the ids of those. */
async function takenOver(
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
  if ('conflicts' in outcome)
    throw conflict('The same lines were changed since', outcome.conflicts);
  if ('blocked' in outcome)
    throw conflict('Files that git ignores are in the way', outcome.blocked);
  const { refused } = outcome;
  // It was taken over before, or the files could be changed and only the commit could not be made.
  if (['done', 'failed', 'nothing'].includes(refused)) return undefined;
  throw conflict(NO_COMMIT[refused], []);
}

function conflict(why: string, files: readonly string[]): AppError {
  const named = files.length > 0 ? `: ${files.map((file) => JSON.stringify(file)).join(', ')}` : '';
  return new AppError('promotion_conflict', `The candidate cannot be taken over. ${why}${named}.`, {
    data: { files },
  });
}
