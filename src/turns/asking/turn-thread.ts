import type { Logger } from 'pino';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { AppError } from '../../errors.ts';
import type { SentTurn, TurnRequest } from '../turn.ts';

/** The conversation that a turn belongs to, resumed or begun; answers its id. */
export async function openThread(
  { threads }: AgentLink,
  { request, sent }: { request: TurnRequest; sent: SentTurn | undefined },
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
    // The turn itself began it, and Codex died before it had written anything.
    const isOurs = thread.threadId === undefined;
    if (isOurs && isNotFound(error)) return threads.begin(thread.settings);
    throw error;
  }
}

/** Has Codex forget a conversation until it is needed again; the agent's own one stays. */
export async function leaveThread(
  { threads }: AgentLink,
  { request, threadId }: { request: TurnRequest; threadId: string },
  log: Logger,
): Promise<void> {
  if (!request.thread) return;
  try {
    await threads.leave(threadId);
  } catch (error) {
    log.debug({ err: error, threadId }, 'The conversation stays in memory');
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'thread_not_found';
}
