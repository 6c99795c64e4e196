import type { AuditLog } from '../../audit/audit-log.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import { commitMessage } from '../../turns/files/commit-message.ts';
import { type CommitReport, notesOf, recordingOf } from '../../turns/files/turn-commits.ts';
import { type Commit, type CommitOutcome, NO_COMMIT } from '../../workspaces/commits/commit.ts';
import { type Commits, type DiffScope, EMPTY_TREE } from '../../workspaces/commits/commits.ts';
import { diffstat } from '../../workspaces/diffstat.ts';
import type { DiffBounds, FileChange } from '../../workspaces/file-change.ts';
import { CallerSessions, type SessionServices } from '../caller-sessions.ts';
import { CallerTurns, type TurnServices } from '../caller-turns.ts';
import { CallerView } from '../caller-view.ts';
import { CallerWorkspaces, type WorkspaceServices } from '../caller-workspaces.ts';
import { mergeConflict } from './merge-conflict.ts';
import {
  type CommittedTurn,
  committed,
  type Selected,
  type Selection,
  select,
} from './selection.ts';

const SERVER_AUTHOR = 'codex-mcp-server';
const ALL: DiffScope = { paths: [], contextLines: 3 };

export type ChangeServices = {
  audit: AuditLog;
  config: Pick<Config, 'MAX_DIFF_BYTES' | 'MAX_DIFF_TOTAL_BYTES' | 'COMMIT_FILE_LIMIT'>;
};

export type ChangeReport = {
  /** Name of the agent. */
  agent: AgentName;
  /** A commit; absent where there was none before. */
  from?: string;
  /** A commit; absent for the present files. */
  to?: string;
  turns: readonly CommittedTurn[];
  changes: FileChange[];
  diffstat: string;
  unlisted: number;
  notes: string[];
};

type Range = { from: string; to: string; ends: Pick<ChangeReport, 'from' | 'to'>; notes: string[] };

/** What the turns of one caller changed, told from their commits. */
export class CallerChanges extends CallerView<
  ChangeServices & SessionServices & TurnServices & WorkspaceServices
> {
  readonly #views = {
    sessions: new CallerSessions(this.services, this.principal),
    turns: new CallerTurns(this.services, this.principal),
    workspaces: new CallerWorkspaces(this.services, this.principal),
  };

  /** Throws what `select` throws, and `workspace_failed`. */
  async report(
    selection: Selection,
    { maxBytes, ...scope }: DiffScope & { maxBytes?: number | undefined },
  ): Promise<ChangeReport> {
    const { agent, turns } = this.#select(selection);
    return this.#views.workspaces.read(agent, async ({ workspace: { commits } }) => {
      const { from, to, ends, notes } = await this.#range(commits, turns);
      const bounds = this.#bounds(maxBytes);
      const { changes, unlisted } = await commits.diff(from, to, { ...scope, ...bounds });
      const stat = diffstat(changes, unlisted);
      return { agent, ...ends, turns: turns ?? [], changes, unlisted, diffstat: stat, notes };
    });
  }

  /** Calls `use` with the whole diff, in pieces, as `git apply` takes it. Throws like `report`. */
  async patch(
    selection: Selection,
    use: (pieces: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void> {
    const { agent, turns } = this.#select(selection);
    await this.#views.workspaces.read(agent, async ({ workspace: { commits } }) => {
      const { from, to } = await this.#range(commits, turns);
      await use(commits.patch(from, to));
    });
  }

  /**
   * Reverts what a turn changed in the present files, and commits that. Throws `revert_conflict` with
   * the names of files in `data.files`, `already_reverted`, `commit_not_found`, `agent_busy` or
   * `forbidden`; the files have not changed then.
   */
  async revert(turnId: string) {
    this.demand('work');
    const turn = this.#views.turns.get(turnId);
    if (!turn.endedAt) throw new AppError('agent_busy', 'The turn has not ended.');
    const { commit } = committed(turn);
    return this.#views.workspaces.change(turn.agentName, async ({ workspace }, agent) => {
      const outcome = await workspace.commits.revert(commit.id, {
        ref: `reverts/${turnId}`,
        at: new Date(),
        author: SERVER_AUTHOR,
        message: revertMessage(commit, { turnId, agent: agent.name }),
        fileLimit: this.services.config.COMMIT_FILE_LIMIT,
      });
      const made = revertOf(outcome, turnId);
      const { changes, unlisted } = await this.#done(workspace.commits, made);
      const paths = changes.map(({ file }) => file);
      this.services.audit.append({
        type: 'file_change',
        ...{ principal: this.principal, agentId: agent.agentId, turnId },
        data: { paths, reverted: commit.id, commit: made?.id },
      });
      const { notes, commit: told } = made
        ? recordingOf(made)
        : { notes: ['The files were reverted, but no commit holds that.'] };
      return {
        agent: turn.agentName,
        commit: told,
        changes,
        diffstat: diffstat(changes, unlisted),
        notes,
      };
    });
  }

  #select({ agent, ...selection }: Selection): Selected {
    const named = agent === undefined ? {} : { agent: this.ownName(agent) };
    return select(this.#views, { ...selection, ...named });
  }

  #done(commits: Commits, made: Commit | undefined) {
    if (!made) return { changes: [], unlisted: 0 };
    return commits.diff(made.parent ?? EMPTY_TREE, made.id, { ...ALL, ...this.#bounds() });
  }

  async #range(commits: Commits, turns: readonly CommittedTurn[] | undefined): Promise<Range> {
    if (!turns) {
      const { head, headTree, tree, leftOut } = await commits.workingTree(
        this.services.config.COMMIT_FILE_LIMIT,
      );
      const ends = head === undefined ? {} : { from: head };
      return { from: headTree, to: tree, ends, notes: notesOf(leftOut) };
    }
    const [first, last] = [turns[0], turns.at(-1)];
    if (!first || !last) return { from: EMPTY_TREE, to: EMPTY_TREE, ends: {}, notes: [] };
    const from = await commits.parentOf(first.commit.id);
    const to = last.commit.id;
    return { from, to, ends: { ...(from !== EMPTY_TREE && { from }), to }, notes: [] };
  }

  #bounds(maxBytes = Number.POSITIVE_INFINITY): DiffBounds {
    const { MAX_DIFF_BYTES, MAX_DIFF_TOTAL_BYTES } = this.services.config;
    return {
      file: Math.min(MAX_DIFF_BYTES, maxBytes),
      total: Math.min(MAX_DIFF_TOTAL_BYTES, maxBytes),
    };
  }
}

function revertMessage(
  { id }: CommitReport,
  { turnId, agent }: { turnId: string; agent: AgentName },
) {
  return commitMessage({
    tool: 'revert_turn',
    args: { task: `Revert turn ${turnId}` },
    answer: `This takes back commit ${id}.`,
    trailers: { 'Codex-Reverts': turnId, 'Codex-Agent': agent },
  });
}

/** The commit of the revert; undefined if the files were reverted and could not be committed. */
function revertOf(outcome: CommitOutcome, turnId: string): Commit | undefined {
  if ('commit' in outcome) return outcome.commit;
  if (!('refused' in outcome)) {
    throw mergeConflict('revert_conflict', 'The turn cannot be reverted', outcome);
  }
  const { refused } = outcome;
  switch (refused) {
    case 'failed':
    case 'nothing':
      return undefined;
    case 'done':
      throw new AppError(
        'already_reverted',
        `The files hold nothing that turn ${turnId} changed: the turn was reverted already.`,
      );
    default:
      throw new AppError('commit_not_found', `No file was changed: ${NO_COMMIT[refused]}.`);
  }
}
