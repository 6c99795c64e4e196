import { setTimeout as sleep } from 'node:timers/promises';
import { CallFailure, type Door, NoAnswer, openDoor } from './door.ts';
import { argumentsOf, type Chore, type Job, type JobSource, type Way, type Work } from './job.ts';
import type { Ledger } from './ledger.ts';
import type { SoakServer } from './soak-server.ts';

const POLL_MS = 300;
const WAIT_SECONDS = 50;
/** How often a call is repeated, with its key, because the server went away or was about to. */
const MOST_ATTEMPTS = 8;
const IDLE_SECONDS_TO_REMOVE = 8;

/** Nothing that callers, the model or the killing does may end a call like this. */
const ALARMING = new Set(['internal', 'no_answer', 'server_gone']);

type CallerOptions = { server: SoakServer; ledger: Ledger; next: JobSource };

/** The server went away during a call. */
class Gone extends Error {}

/** A caller that does one job after the other, over connections that it keeps while they hold. */
export class Caller {
  readonly #options: CallerOptions;
  /** Each with the server that it leads to. */
  readonly #doors = new Map<Way, { door: Door; gone: AbortSignal }>();

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { next } = this.#options;
    for (let job = next(); job; job = next()) await this.#do(job);
    for (const way of [...this.#doors.keys()]) await this.#drop(way);
  }

  async #do(job: Job): Promise<void> {
    const { ledger } = this.#options;
    const tool = job.kind === 'work' ? job.tool : job.chore;
    const began = performance.now();
    const outcome = await this.#attempts(job);
    ledger.calls.push({ way: job.way, tool, outcome, ms: performance.now() - began });
    if (ALARMING.has(outcome)) {
      ledger.problems.push(`${outcome}: ${JSON.stringify(job)}`);
    }
  }

  /** Calls again with the same key, as a client does that lost its server. */
  async #attempts(job: Job): Promise<string> {
    const { ledger } = this.#options;
    if (job.kind === 'work') ledger.works.set(job.mark, job);
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      try {
        return job.kind === 'work' ? await this.#work(job) : await this.#chore(job);
      } catch (error) {
        const outcome = this.#outcomeOf(error, job);
        if (outcome !== 'again') return outcome;
        ledger.count(`repeated: ${reasonOf(error)}`);
        await this.#drop(job.way);
        await sleep(POLL_MS);
      }
    }
    return 'server_gone';
  }

  #outcomeOf(error: unknown, job: Job): string {
    const { ledger } = this.#options;
    if (error instanceof NoAnswer) return 'no_answer';
    if (!(error instanceof CallFailure)) return 'again';
    if (job.kind === 'work' && error.turnId) ledger.submitted(error.turnId, job);
    if (error.code === 'shutting_down') return 'again';
    if (error.code === 'session_expired') return 'again';
    if (error.turnId) ledger.ended(error.turnId);
    return error.code;
  }

  async #work(work: Work): Promise<string> {
    switch (work.manner) {
      case 'wait':
        return this.#finished(work, await this.#call(work.way, work.tool, argumentsOf(work)));
      case 'submit':
        return this.#waited(work, await this.#submitted(work));
      case 'poll':
        return this.#polled(work, await this.#submitted(work));
      case 'cancel':
        return this.#cancelled(work, await this.#submitted(work));
      case 'abort':
        return this.#aborted(work);
      case 'leave':
        return this.#left(work);
      default:
        return work.manner satisfies never;
    }
  }

  #finished(work: Work, result: { turn_id: string; session_id: string }): string {
    const { ledger } = this.#options;
    ledger.submitted(result.turn_id, work);
    ledger.ended(result.turn_id);
    ledger.answeredIn(result.session_id, work);
    return 'completed';
  }

  async #submitted(work: Work): Promise<string> {
    const args = { ...argumentsOf(work), wait: false };
    const { turn_id } = await this.#call(work.way, work.tool, args);
    this.#options.ledger.submitted(turn_id, work);
    return turn_id;
  }

  async #waited({ way }: Work, turnId: string): Promise<string> {
    for (;;) {
      const args = { turn_id: turnId, timeout_seconds: WAIT_SECONDS };
      const ended = this.#endOf(await this.#call(way, 'wait_turn', args));
      if (ended) return ended;
    }
  }

  async #polled({ way }: Work, turnId: string): Promise<string> {
    for (;;) {
      const ended = this.#endOf(await this.#call(way, 'get_turn', { turn_id: turnId }));
      if (ended) return ended;
      await sleep(POLL_MS);
    }
  }

  async #cancelled(work: Work, turnId: string): Promise<string> {
    await sleep(work.delayMs);
    const turn = await this.#call(work.way, 'cancel_turn', { turn_id: turnId });
    const ended = this.#endOf(turn);
    if (ended) return ended;
    this.#options.ledger.problems.push(`Turn ${turnId} was cancelled, and did not end.`);
    return 'not_cancelled';
  }

  #endOf(turn: { turn_id: string; state: string; error_code: string | null }): string | undefined {
    if (turn.state === 'queued' || turn.state === 'running') return undefined;
    this.#options.ledger.ended(turn.turn_id);
    return turn.error_code ?? turn.state;
  }

  async #aborted(work: Work): Promise<string> {
    const enough = new AbortController();
    const running = this.#call(work.way, work.tool, argumentsOf(work), enough.signal);
    const first = await firstOf(running, work.delayMs);
    if (first) return this.#finished(work, first);
    enough.abort(new Error('enough'));
    await running.catch(() => undefined);
    return 'aborted by the caller';
  }

  async #left(work: Work): Promise<string> {
    const url = await this.#options.server.url();
    const door = await openDoor(url, work.way === 'rest' ? 'sse' : work.way);
    const running = door.call(work.tool, argumentsOf(work));
    const first = await firstOf(running, work.delayMs).finally(() => door.close());
    return first ? this.#finished(work, first) : 'left by the caller';
  }

  async #chore({ chore, way, agentId, delayMs }: Chore): Promise<string> {
    const agent = { agent_id: agentId };
    switch (chore) {
      case 'look':
        for (const tool of ['list_sessions', 'list_active_agents', 'list_turns', 'health_check']) {
          await this.#call(way, tool);
        }
        await this.#call(way, 'get_agent_status', agent);
        return 'done';
      case 'stop_idle':
        await this.#call(way, 'cleanup_inactive_agents');
        return 'done';
      case 'remove_idle':
        await this.#removeIdle(way);
        return 'done';
      case 'pin':
        await this.#call(way, 'pin', agent);
        await sleep(delayMs);
        await this.#call(way, 'unpin', agent);
        return 'done';
      default:
        return chore satisfies never;
    }
  }

  /** Whose answer does not come may have removed any agent. */
  async #removeIdle(way: Way): Promise<void> {
    const { ledger } = this.#options;
    const bound = { remove: true, older_than_seconds: IDLE_SECONDS_TO_REMOVE };
    try {
      const { agents } = await this.#call(way, 'cleanup_inactive_agents', bound);
      const removed = agents.filter(({ outcome }: { outcome: string }) => outcome === 'removed');
      ledger.removed(removed.map(({ agent_id }: { agent_id: string }) => agent_id));
      ledger.count('agents removed', removed.length);
    } catch (error) {
      ledger.removed([...ledger.turns.values()].map(({ agentId }) => agentId));
      throw error;
    }
  }

  async #call(way: Way, tool: string, args: Record<string, unknown> = {}, signal?: AbortSignal) {
    const { server, ledger } = this.#options;
    const url = await server.url();
    const { gone } = server;
    if (this.#doors.get(way)?.gone !== gone) await this.#drop(way);
    const { door } = this.#doors.get(way) ?? { door: await openDoor(url, way) };
    this.#doors.set(way, { door, gone });
    const heard = door.progress.length;
    try {
      return await unlessGone(gone, door.call(tool, args, signal));
    } finally {
      const wakes = door.progress.slice(heard).filter((line) => line === 'Waking the agent');
      ledger.count('wakes heard of', wakes.length);
    }
  }

  async #drop(way: Way): Promise<void> {
    const open = this.#doors.get(way);
    this.#doors.delete(way);
    await open?.door.close().catch(() => undefined);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Gone) return 'the server was killed';
  return error instanceof CallFailure ? error.code : String(error);
}

/** The result, or undefined if it takes longer. */
async function firstOf<T>(running: Promise<T>, milliseconds: number): Promise<T | undefined> {
  running.catch(() => undefined);
  return Promise.race([running, sleep(milliseconds, undefined)]);
}

/** A client of SSE waits for ever for a server that is gone. */
async function unlessGone<T>(gone: AbortSignal, calling: Promise<T>): Promise<T> {
  calling.catch(() => undefined);
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(new Gone());
  gone.addEventListener('abort', leave);
  if (gone.aborted) leave();
  try {
    return await Promise.race([calling, left.promise]);
  } finally {
    gone.removeEventListener('abort', leave);
  }
}
