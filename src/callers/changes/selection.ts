import { AppError } from '../../errors.ts';
import { type CommitReport, commitOf } from '../../turns/files/turn-commits.ts';
import type { TurnRecord } from '../../turns/turn.ts';
import type { CallerAgents } from '../caller-agents.ts';
import type { CallerTurns } from '../caller-turns.ts';

/** Of an agent; older ones are looked up by their ids alone. */
const TURNS_LOOKED_AT = 1000;

/** Which changes: of a turn, of turns from one to another, of a conversation, or what no commit of the user has. */
export type Selection = {
  agent?: string | undefined;
  turn?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  session?: string | undefined;
};

export type CommittedTurn = { turn: TurnRecord; commit: CommitReport };

export type Selected = {
  /** What the caller calls the agent. */
  agent: string;
  /** The oldest first; undefined where the present files are meant. */
  turns?: readonly CommittedTurn[];
};

type Sight = { turns: CallerTurns; agents: CallerAgents; defaultAgent: string };

/** Throws `turn_not_found`, `thread_not_found`, `agent_not_found`, `commit_not_found` or `invalid_input`. */
export function select(sight: Sight, selection: Selection): Selected {
  const { agent, turn, from, to, session } = selection;
  const ways = [turn, from ?? to, session].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new AppError('invalid_input', 'Give a turn, a range of turns or a session, not several.');
  }
  const selected = selectedBy(sight, selection);
  if (agent !== undefined && selected.agent !== agent) {
    throw new AppError('turn_not_found', `Agent ${agent} has no such turns.`);
  }
  return selected;
}

function selectedBy(sight: Sight, { agent, turn, from, to, session }: Selection): Selected {
  if (turn !== undefined) {
    const record = sight.turns.get(turn);
    return { agent: record.agentId, turns: [committed(record)] };
  }
  if (session !== undefined) return ofSession(sight, session);
  if (from !== undefined || to !== undefined) return between(sight, { from, to });
  return { agent: agent ?? sight.defaultAgent };
}

/** The turn with its commit. Throws `commit_not_found`. */
export function committed(turn: TurnRecord): CommittedTurn {
  const commit = commitOf(turn);
  if (commit) return { turn, commit };
  const why = turn.endedAt ? 'is in no commit' : 'has not ended, and is in no commit yet';
  throw new AppError('commit_not_found', `The turn ${turn.turnId} ${why}.`);
}

function ofSession({ turns, agents }: Sight, session: string): Selected {
  const found = agents.findThread(session);
  if (!found) throw new AppError('thread_not_found', `There is no conversation "${session}".`);
  const agent = agents.nameOf(found.agent.agentId);
  const own = history(turns, agent).filter(({ turn }) => turn.sent?.threadId === session);
  return { agent, turns: own };
}

function between({ turns }: Sight, { from, to }: Pick<Selection, 'from' | 'to'>): Selected {
  const ends = [from, to].filter((id) => id !== undefined).map((id) => committed(turns.get(id)));
  const [{ turn: first } = { turn: undefined }] = ends;
  if (!first || ends.some(({ turn }) => turn.agentId !== first.agentId)) {
    throw new AppError('invalid_input', 'Turns of two agents are no range.');
  }
  const all = history(turns, first.agentId);
  const at = (id: string) => all.findIndex(({ turn }) => turn.turnId === id);
  const start = from === undefined ? 0 : at(from);
  const end = to === undefined ? all.length - 1 : at(to);
  const range = all.slice(start, end + 1);
  if (start >= 0 && range.length > 0) return { agent: first.agentId, turns: range };
  throw new AppError(
    'invalid_input',
    `from_turn has to be before to_turn, and both among the last ${TURNS_LOOKED_AT} turns.`,
  );
}

/** The last turns of an agent that are in commits, the oldest first. */
function history(turns: CallerTurns, agent: string): CommittedTurn[] {
  return turns
    .list({ agent, limit: TURNS_LOOKED_AT })
    .flatMap((turn) => {
      const commit = commitOf(turn);
      return commit ? [{ turn, commit }] : [];
    })
    .reverse();
}
