import { AppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import { type CommitReport, commitOf } from '../../turns/files/turn-commits.ts';
import type { CallerSessions } from '../caller-sessions.ts';
import type { CallerTurns, TurnView } from '../caller-turns.ts';

/** Of one agent. Older turns can be selected one by one only. */
const TURNS_LOOKED_AT = 1000;

/** Which changes: of a turn, of a range of turns, of a conversation, or by default what HEAD does not hold. */
export type Selection = {
  /** The agent that they have to be of. */
  agent?: AgentName | undefined;
  /** The agent whose files are compared with HEAD where `agent` is absent. */
  defaultAgent?: AgentName | undefined;
  turn?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  session?: string | undefined;
};

export type CommittedTurn = { turn: TurnView; commit: CommitReport };

export type Selected = {
  /** Name of the agent. */
  agent: AgentName;
  /** The oldest first; absent for the present files. */
  turns?: readonly CommittedTurn[];
};

type Views = { turns: CallerTurns; sessions: CallerSessions };

/** Throws `turn_not_found`, `thread_not_found`, `agent_not_found`, `commit_not_found` or `invalid_input`. */
export function select(views: Views, selection: Selection): Selected {
  const { agent, turn, from, to, session } = selection;
  const ways = [turn, from ?? to, session].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new AppError('invalid_input', 'Give one of a turn, a range of turns and a session.');
  }
  const selected = selectedBy(views, selection);
  if (agent !== undefined && selected.agent !== agent) {
    throw new AppError('turn_not_found', `These turns are not of agent ${agent}.`);
  }
  return selected;
}

function selectedBy(views: Views, { turn, from, to, session, ...whose }: Selection): Selected {
  if (turn !== undefined) {
    const record = views.turns.get(turn);
    return { agent: record.agentName, turns: [committed(record)] };
  }
  if (session !== undefined) return ofSession(views, session);
  if (from !== undefined || to !== undefined) return between(views, { from, to });
  const { agent = whose.defaultAgent } = whose;
  if (agent !== undefined) return { agent };
  throw new AppError('invalid_input', 'Give an agent, a turn, a range of turns or a session.');
}

/** The turn with its commit. Throws `commit_not_found`. */
export function committed(turn: TurnView): CommittedTurn {
  const commit = commitOf(turn);
  if (commit) return { turn, commit };
  const why = turn.endedAt ? 'has no commit' : 'has not ended and has no commit yet';
  throw new AppError('commit_not_found', `Turn ${turn.turnId} ${why}.`);
}

function ofSession({ turns, sessions }: Views, session: string): Selected {
  const { agent } = sessions.get(session);
  const own = history(turns, agent).filter(({ turn }) => turn.sent?.threadId === session);
  return { agent, turns: own };
}

function between({ turns }: Views, { from, to }: Pick<Selection, 'from' | 'to'>): Selected {
  const ends = [from, to].filter((id) => id !== undefined).map((id) => committed(turns.get(id)));
  const [{ turn: first } = { turn: undefined }] = ends;
  if (!first || ends.some(({ turn }) => turn.agentName !== first.agentName)) {
    throw new AppError('invalid_input', 'from_turn and to_turn have to be turns of one agent.');
  }
  const all = history(turns, first.agentName);
  const at = (id: string) => all.findIndex(({ turn }) => turn.turnId === id);
  const start = from === undefined ? 0 : at(from);
  const end = to === undefined ? all.length - 1 : at(to);
  const range = all.slice(start, end + 1);
  if (start >= 0 && range.length > 0) return { agent: first.agentName, turns: range };
  throw new AppError(
    'invalid_input',
    `from_turn has to come before to_turn, and both have to be among the last ${TURNS_LOOKED_AT} turns.`,
  );
}

/** The last turns of an agent that have a commit, the oldest first. */
function history(turns: CallerTurns, agent: AgentName): CommittedTurn[] {
  return turns
    .list({ agent, limit: TURNS_LOOKED_AT })
    .flatMap((turn) => {
      const commit = commitOf(turn);
      return commit ? [{ turn, commit }] : [];
    })
    .reverse();
}
