import type { Logger } from 'pino';
import { z } from 'zod';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { Redactor } from '../../audit/redaction/redactor.ts';
import type { Config } from '../../config/config.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import { type Commit, type LeftOut, NO_COMMIT } from '../../workspaces/commits/commit.ts';
import type { Workspace } from '../../workspaces/workspace.ts';
import type { TurnRecord, TurnRequest } from '../turn.ts';
import { commitMessage } from './commit-message.ts';

const NAMES_TOLD = 20;

type Options = {
  store: { agents: AgentStore };
  redactor: Pick<Redactor, 'text'>;
  config: Pick<Config, 'CODEX_MODEL' | 'COMMIT_FILE_LIMIT'>;
  log: Logger;
};

/** A turn that has come to its end, one way or another. */
export type EndedTurn = {
  turnId: string;
  request: TurnRequest;
  threadId: string | undefined;
  /** What the model ended with, if it did. */
  answer?: unknown;
  /** Whether an earlier try may have made the commit. */
  again: boolean;
};

/** What results tell of a commit. */
export const commitSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{40}$/),
  ref: z.string().describe('Where it stays: fetch it by this name.'),
  branch: z.string().optional().describe('The branch that has it; absent if that did not move.'),
  parent: z.string().optional(),
});
export type ToldCommit = z.output<typeof commitSchema>;

export type Recording = { commit?: ToldCommit; notes: string[] };

/** Makes a commit of what a turn changed. No turn fails for it: a note says why there is none. */
export class TurnCommits {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  async record(
    workspace: Workspace,
    { before, after }: { before: Checkpoint; after: Checkpoint },
    turn: EndedTurn,
  ): Promise<Recording> {
    if (before.files === after.files) return { notes: [] };
    const { config, log } = this.#options;
    try {
      const outcome = await workspace.commits.make({
        ...{ before, after, again: turn.again },
        ref: `turns/${turn.turnId}`,
        at: new Date(),
        author: this.#authorOf(turn),
        message: this.#messageOf(turn),
        fileLimit: config.COMMIT_FILE_LIMIT,
      });
      if ('commit' in outcome) return recordingOf(outcome.commit);
      const why = 'refused' in outcome ? outcome.refused : 'failed';
      log.info({ turnId: turn.turnId, why }, 'A turn is in no commit');
      return { notes: [`The changes are in no commit: ${NO_COMMIT[why]}.`] };
    } catch (error) {
      log.warn({ turnId: turn.turnId, err: error }, 'A turn could not be committed');
      return { notes: [`The changes are in no commit: ${NO_COMMIT.failed}.`] };
    }
  }

  #authorOf({ request }: EndedTurn): string {
    return this.#options.store.agents.get(request.agentId)?.name ?? request.agentId;
  }

  #messageOf(turn: EndedTurn): string {
    const { turnId, threadId, request, answer } = turn;
    const { config, redactor } = this.#options;
    const trailers = {
      'Codex-Turn': turnId,
      'Codex-Session': threadId,
      'Codex-Agent': this.#authorOf(turn),
      'Codex-Model': request.model ?? config.CODEX_MODEL,
    };
    return redactor.text(
      commitMessage({ tool: request.tool, args: request.args, answer, trailers }),
    );
  }
}

export function recordingOf({ leftOut, ...commit }: Commit): Recording {
  const notes = notesOf(leftOut);
  if (!commit.branch) {
    notes.push(`The commit is at ${commit.ref} alone: its branch is checked out or in use.`);
  }
  return { commit, notes };
}

/** The commit of a turn, if there is one. */
export function commitOf({ result, error }: Pick<TurnRecord, 'result' | 'error'>) {
  return commitSchema.safeParse(result?.commit ?? error?.commit).data;
}

/** What a reader of a commit has to know that does not see it. */
export function notesOf({ large, inSubmodules }: LeftOut): string[] {
  const notes = [];
  if (large.length > 0) {
    notes.push(`Files over COMMIT_FILE_LIMIT are in no commit as they are: ${listed(large)}.`);
  }
  if (inSubmodules.length > 0) {
    notes.push(
      `A commit has of submodules only which commit they are at: ${listed(inSubmodules)} changed in one.`,
    );
  }
  return notes;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_TOLD;
  const told = names.slice(0, NAMES_TOLD).map((name) => JSON.stringify(name));
  return more > 0 ? `${told.join(', ')} and ${more} more` : told.join(', ');
}
