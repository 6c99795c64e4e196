import type { Logger } from 'pino';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { Redactor } from '../../audit/redaction/redactor.ts';
import type { Config } from '../../config/config.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import { NO_COMMIT } from '../../workspaces/commits/commit.ts';
import type { TurnAttempt } from '../turn-attempt.ts';
import type { Answer } from '../turn-kind.ts';
import { commitMessage } from './commit-message.ts';
import { type Recording, recordingOf } from './turn-commits.ts';

export type CommitServices = {
  store: { agents: Pick<AgentStore, 'get'> };
  redactor: Pick<Redactor, 'text'>;
  config: Pick<Config, 'CODEX_MODEL' | 'COMMIT_FILE_LIMIT'>;
  log: Logger;
};

/**
 * Makes a commit of what a turn changed. `answer` is undefined for a turn that failed. Never rejects:
 * a note says why there is no commit.
 */
export async function commitTurn(
  { store, redactor, config, log }: CommitServices,
  { turn, link, threadId, sent }: TurnAttempt,
  { before, after }: { before: Checkpoint; after: Checkpoint },
  answer: Answer | undefined,
): Promise<Recording> {
  if (before.files === after.files) return { notes: [] };
  const { turnId, agentId, request } = turn.record;
  const { tool, args } = request;
  const author = store.agents.get(agentId)?.name ?? agentId;
  const trailers = {
    'Codex-Turn': turnId,
    'Codex-Session': threadId,
    'Codex-Agent': author,
    'Codex-Model': request.model ?? config.CODEX_MODEL,
  };
  try {
    const outcome = await link.workspace.commits.make({
      ...{ before, after, author },
      // An earlier attempt may have made the commit.
      again: sent !== undefined,
      ref: `turns/${turnId}`,
      at: new Date(),
      message: redactor.text(commitMessage({ tool, args, answer, trailers })),
      fileLimit: config.COMMIT_FILE_LIMIT,
    });
    if ('commit' in outcome) return recordingOf(outcome.commit);
    const why = 'refused' in outcome ? outcome.refused : 'failed';
    log.info({ turnId, why }, 'A turn is in no commit');
    return { notes: [`The changes are in no commit: ${NO_COMMIT[why]}.`] };
  } catch (error) {
    log.warn({ turnId, err: error }, 'A turn could not be committed');
    return { notes: [`The changes are in no commit: ${NO_COMMIT.failed}.`] };
  }
}
