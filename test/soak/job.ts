import { SeededRandom } from './seeded-random.ts';
import { type Behaviour, taskFor } from './unsteady-model.ts';

export type Way = 'sse' | 'http' | 'rest';
type WorkTool = 'plan' | 'implement' | 'review' | 'fix';

/** How a caller goes about a piece of work. */
type Manner =
  /** Waits for the result. */
  | 'wait'
  /** Takes a turn id and waits for that. */
  | 'submit'
  /** Takes a turn id and asks for it now and then. */
  | 'poll'
  /** Takes a turn id and cancels it after a while. */
  | 'cancel'
  /** Waits, and gives the call up after a while. */
  | 'abort'
  /** Waits, and is gone after a while. */
  | 'leave';

export type Work = {
  kind: 'work';
  way: Way;
  agentId: string;
  tool: WorkTool;
  manner: Manner;
  behaviour: Behaviour;
  /** Its idempotency key, and what is found of it in files and command lines. */
  mark: string;
  timeoutSeconds: number;
  /** After which a caller who does not wait acts. */
  delayMs: number;
};

/** Everything that is no turn. */
export type Chore = {
  kind: 'chore';
  way: Way;
  agentId: string;
  chore: 'look' | 'stop_idle' | 'remove_idle' | 'pin';
  delayMs: number;
};

export type Job = Work | Chore;

/** Hands out one job after the other; undefined when there are no more. */
export type JobSource = () => Job | undefined;

const MANNERS = { wait: 50, submit: 14, poll: 6, cancel: 10, abort: 10, leave: 10 };
const HASTY_MANNERS = { wait: 60, submit: 10, poll: 0, cancel: 12, abort: 12, leave: 6 };
const TOOLS = { plan: 30, implement: 40, review: 15, fix: 15 };
const WAYS = { sse: 50, http: 30, rest: 20 };
const CHORES = { look: 60, stop_idle: 15, remove_idle: 5, pin: 20 };
const BEHAVIOURS: Record<Behaviour, number> = {
  answer: 25,
  slow: 10,
  streamed: 5,
  command: 15,
  commands: 8,
  long: 5,
  background: 10,
  error500: 5,
  always500: 1,
  limited: 3,
  cut: 4,
  refused: 3,
  failed: 2,
  unreadable: 2,
  silent: 2,
};
const HASTY_BEHAVIOURS = {
  answer: 50,
  command: 25,
  background: 15,
  error500: 3,
  cut: 4,
  unreadable: 3,
};
const SHARE_OF_CHORES = 0.12;
const LATEST_MS = 2_500;

/** Random jobs without end, until the signal. */
export function endlessJobs(seed: number, agents: number, signal: AbortSignal): JobSource {
  const random = new SeededRandom(seed);
  const common = () => ({
    way: random.weighted(WAYS),
    agentId: nameOf(random.between(1, agents)),
    delayMs: random.between(0, LATEST_MS),
  });
  return () => {
    if (signal.aborted) return undefined;
    if (random.next() < SHARE_OF_CHORES) {
      return { kind: 'chore', ...common(), chore: random.weighted(CHORES) };
    }
    const behaviour = random.weighted(BEHAVIOURS);
    return {
      kind: 'work',
      ...common(),
      tool: random.weighted(TOOLS),
      manner: random.weighted(MANNERS),
      behaviour,
      mark: newMark(random),
      timeoutSeconds: behaviour === 'silent' ? random.between(2, 8) : 60,
    };
  };
}

/** Some turns for each of many agents, in any order, a part of them cancelled. */
export function turnsForAll(seed: number, agents: number, turnsEach: number): JobSource {
  const random = new SeededRandom(seed);
  const ids = Array.from({ length: agents * turnsEach }, (_, index) =>
    nameOf((index % agents) + 1),
  );
  const jobs = random.shuffled(ids).map(
    (agentId): Job => ({
      kind: 'work',
      way: random.weighted(WAYS),
      agentId,
      tool: random.weighted(TOOLS),
      manner: random.weighted(HASTY_MANNERS),
      behaviour: random.weighted(HASTY_BEHAVIOURS),
      mark: newMark(random),
      timeoutSeconds: 60,
      delayMs: random.between(0, LATEST_MS),
    }),
  );
  return () => jobs.shift();
}

/** The arguments of a piece of work as its tool takes them. */
export function argumentsOf(work: Work): Record<string, unknown> {
  const { agentId, mark, timeoutSeconds } = work;
  const task = taskFor(work.behaviour, mark);
  return {
    ...subjectOf(work.tool, task),
    agent_id: agentId,
    idempotency_key: mark,
    timeout_seconds: timeoutSeconds,
  };
}

function subjectOf(tool: WorkTool, task: string): Record<string, unknown> {
  if (tool === 'review') return { content: task };
  return tool === 'fix' ? { symptoms: [task] } : { task };
}

function newMark(random: SeededRandom): string {
  const digits = () => random.between(0, 0xffffffff).toString(16).padStart(8, '0');
  return `soak-${digits()}${digits()}`;
}

function nameOf(number: number): string {
  return `agent-${String(number).padStart(3, '0')}`;
}
