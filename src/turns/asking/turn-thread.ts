import type { Logger } from 'pino';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { AppError } from '../../errors.ts';
import type { TurnRecord } from '../turn.ts';
import type { TurnAttempt } from '../turn-attempt.ts';

/** Resumes or starts the thread of a turn. Returns the id of the thread. */
export async function openThread(
  { threads }: AgentLink,
  { request, sent }: TurnRecord,
): Promise<string> {
  const { thread } = request;
  const joins = sent !== undefined;
  if (!thread) return threads.main({ joins });
  const known = thread.threadId ?? sent?.threadId;
  if (known === undefined) return threads.begin(thread.settings);
  try {
    await threads.resume(known, thread.settings, { joins });
    return known;
  } catch (error) {
    // The turn itself started the thread, and Codex died before it wrote anything of it.
    const isOwn = thread.threadId === undefined;
    if (isOwn && error instanceof AppError && error.code === 'thread_not_found') {
      return threads.begin(thread.settings);
    }
    throw error;
  }
}

/** Lets Codex unload a thread of a caller. The agent's own thread stays loaded. */
export async function leaveThread(
  { link, turn, threadId }: TurnAttempt,
  log: Logger,
): Promise<void> {
  if (!turn.record.request.thread) return;
  try {
    await link.threads.leave(threadId);
  } catch (error) {
    log.debug({ err: error, threadId }, 'The thread stays loaded');
  }
}
