import type { AgentLink } from '../agents/links/agent-link.ts';
import type { LiveTurn } from './live-turn.ts';
import type { SentTurn } from './turn.ts';
import type { Subject } from './turn-kind.ts';

/** One attempt of a turn, on an agent that is awake and has the thread loaded. */
export type TurnAttempt = {
  turn: LiveTurn;
  link: AgentLink;
  threadId: string;
  subject: Subject | undefined;
  /** Written by an earlier attempt or server, if one sent the turn to Codex. */
  sent: SentTurn | undefined;
};
