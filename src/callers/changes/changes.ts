import type { AuditLog } from '../../audit/audit-log.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { commitMessage } from '../../turns/files/commit-message.ts';
import { notesOf, recordingOf, type ToldCommit } from '../../turns/files/turn-commits.ts';
import { type Commit, type CommitOutcome, NO_COMMIT } from '../../workspaces/commits/commit.ts';
import { type Commits, type DiffScope, EMPTY_TREE } from '../../workspaces/commits/commits.ts';
import { diffstat } from '../../workspaces/diffstat.ts';
import type { DiffBounds, FileChange } from '../../workspaces/file-change.ts';
import type { Access } from '../access.ts';
import { type CommittedTurn, committed, type Selection, select } from './selection.ts';

const SERVER_AUTHOR = 'codex-mcp-server';
const ALL: DiffScope = { paths: [], contextLines: 3 };

type Options = {
  access: Access;
  audit: AuditLog;
  config: Pick<Config, 'MAX_DIFF_BYTES' | 'MAX_DIFF_TOTAL_BYTES' | 'COMMIT_FILE_LIMIT'>;
};

export type ChangeReport = {
  agent: string;
  /** Commits; undefined for what was before the first one. */
  from?: string;
  /** Undefined for the files as they are. */
  to?: string;
  turns: readonly CommittedTurn[];
  changes: FileChange[];
  diffstat: string;
  unlisted: number;
  notes: string[];
};

export type Caller = { principal: Principal; defaultAgentId: string };

type Range = { from: string; to: string; ends: Pick<ChangeReport, 'from' | 'to'>; notes: string[] };

/** What turns changed, by their commits; and how to take that back. */
export class Changes {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Throws what `select` throws, and `workspace_failed`. */
  async report(
    caller: Caller,
    selection: Selection,
    { maxBytes, ...scope }: DiffScope & { maxBytes?: number | undefined },
  ): Promise<ChangeReport> {
    const { agent, turns } = this.#select(caller, selection);
    return this.#workspaces(caller).read(agent, async ({ workspace: { commits } }) => {
      const { from, to, ends, notes } = await this.#range(commits, turns);
      const bounds = this.#bounds(maxBytes);
      const { changes, unlisted } = await commits.diff(from, to, { ...scope, ...bounds });
      const stat = diffstat(changes, unlisted);
      return { agent, ...ends, turns: turns ?? [], changes, unlisted, diffstat: stat, notes };
    });
  }

  /** Hands over the whole of it, in pieces, as `git apply` takes it. */
  async patch(
    caller: Caller,
    selection: Selection,
    use: (pieces: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void> {
    const { agent, turns } = this.#select(caller, selection);
    await this.#workspaces(caller).read(agent, async ({ workspace: { commits } }) => {
      const { from, to } = await this.#range(commits, turns);
      await use(commits.patch(from, to));
    });
  }

  /**
   * Takes back what a turn changed, in the files as they are now, and commits that. Throws
   * `revert_conflict` with the names of files in `data.files`, `already_reverted`, `commit_not_found`,
   * `agent_busy` or `forbidden`; the files are as they were then.
   */
  async revert(caller: Caller, turnId: string) {
    const { access } = this.#options;
    access.agents(caller.principal).demand('work');
    const turn = access.turns(caller.principal).get(turnId);
    if (!turn.endedAt) throw new AppError('agent_busy', 'The turn has not ended.');
    const { commit } = committed(turn);
    return this.#workspaces(caller).change(turn.agentId, async ({ workspace }, agent) => {
      const outcome = await workspace.commits.revert(commit.id, {
        ref: `reverts/${turnId}`,
        at: new Date(),
        author: SERVER_AUTHOR,
        message: revertMessage(commit, { turnId, agent: agent.name }),
        fileLimit: this.#options.config.COMMIT_FILE_LIMIT,
      });
      const made = revertOf(outcome, turnId);
      const { changes, unlisted } = await this.#done(workspace.commits, made);
      const paths = changes.map(({ file }) => file);
      this.#options.audit.append({
        type: 'file_change',
        ...{ principal: caller.principal, agentId: agent.agentId, turnId },
        data: { paths, reverted: commit.id, commit: made?.id },
      });
      const { notes, commit: told } = made
        ? recordingOf(made)
        : { notes: ['The files were put back, but that is in no commit.'] };
      return {
        agent: turn.agentId,
        commit: told,
        changes,
        diffstat: diffstat(changes, unlisted),
        notes,
      };
    });
  }

  #done(commits: Commits, made: Commit | undefined) {
    if (!made) return { changes: [], unlisted: 0 };
    return commits.diff(made.parent ?? EMPTY_TREE, made.id, { ...ALL, ...this.#bounds() });
  }

  async #range(commits: Commits, turns: readonly CommittedTurn[] | undefined): Promise<Range> {
    if (!turns) {
      const { head, headTree, tree, leftOut } = await commits.workingTree(
        this.#options.config.COMMIT_FILE_LIMIT,
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

  #select({ principal, defaultAgentId }: Caller, selection: Selection) {
    const { access } = this.#options;
    const agents = access.agents(principal);
    const sight = { turns: access.turns(principal), agents, defaultAgent: defaultAgentId };
    return select(sight, selection);
  }

  #workspaces({ principal }: Caller) {
    return this.#options.access.workspaces(principal);
  }

  #bounds(maxBytes = Number.POSITIVE_INFINITY): DiffBounds {
    const { MAX_DIFF_BYTES, MAX_DIFF_TOTAL_BYTES } = this.#options.config;
    return {
      file: Math.min(MAX_DIFF_BYTES, maxBytes),
      total: Math.min(MAX_DIFF_TOTAL_BYTES, maxBytes),
    };
  }
}

function revertMessage({ id }: ToldCommit, { turnId, agent }: { turnId: string; agent: string }) {
  return commitMessage({
    tool: 'revert_turn',
    args: { task: `Revert turn ${turnId}` },
    answer: `This takes back commit ${id}.`,
    trailers: { 'Codex-Reverts': turnId, 'Codex-Agent': agent },
  });
}

/** The commit of what was taken back; undefined if there is none although the files were changed. */
function revertOf(outcome: CommitOutcome, turnId: string): Commit | undefined {
  if ('commit' in outcome) return outcome.commit;
  if ('conflicts' in outcome) throw conflict('Other changes lie over it', outcome.conflicts);
  if ('blocked' in outcome)
    throw conflict('Files that git ignores are in the way', outcome.blocked);
  const { refused } = outcome;
  switch (refused) {
    case 'failed':
    case 'nothing':
      return undefined;
    case 'done':
      throw new AppError(
        'already_reverted',
        `Nothing of what turn ${turnId} changed is in the files any more: it was taken back.`,
      );
    default:
      throw new AppError('commit_not_found', `Nothing was changed: ${NO_COMMIT[refused]}.`);
  }
}

function conflict(why: string, files: readonly string[]): AppError {
  const named = files.length > 0 ? `: ${files.map((file) => JSON.stringify(file)).join(', ')}` : '';
  return new AppError('revert_conflict', `The turn cannot be taken back. ${why}${named}.`, {
    data: { files },
  });
}
