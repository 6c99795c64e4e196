import type { TurnEvent } from './turn-event.ts';

/** At most four messages a second reach a client, whatever Codex does. */
const SHORTEST_INTERVAL_MS = 250;
/** Clients give up on a call that is silent: some after 30 s. */
const LONGEST_SILENCE_MS = 15_000;
const LONGEST_MESSAGE = 200;

/** Describes a turn to its listeners in sentences: not too often, and never silent for long. */
export class ProgressReporter {
  readonly #listeners = new Set<(message: string) => void>();
  readonly #startedAt = performance.now();
  readonly #heartbeat: NodeJS.Timeout;
  #pending: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sentAt = -Infinity;
  #latest = 'Accepted';
  #latestAt = new Date();

  constructor() {
    this.#heartbeat = setInterval(() => this.#beat(), LONGEST_SILENCE_MS / 3);
    this.#heartbeat.unref();
  }

  get latest(): { message: string; at: Date } {
    return { message: this.#latest, at: this.#latestAt };
  }

  /** Passes on the latest message and all later ones. Returns a function that ends the subscription. */
  listen(listener: (message: string) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#latest);
    return () => this.#listeners.delete(listener);
  }

  reportEvent(event: TurnEvent): void {
    const message = describeEvent(event);
    if (message) this.report(message);
  }

  report(message: string): void {
    this.#latest = shorten(message);
    this.#latestAt = new Date();
    this.#pending = this.#latest;
    const wait = this.#sentAt + SHORTEST_INTERVAL_MS - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#timer);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending === undefined) return;
    this.#sentAt = performance.now();
    this.#send(this.#pending);
    this.#pending = undefined;
  }

  #send(message: string): void {
    for (const listener of this.#listeners) listener(message);
  }

  #beat(): void {
    const now = performance.now();
    if (now - Math.max(this.#sentAt, this.#startedAt) < LONGEST_SILENCE_MS) return;
    this.#sentAt = now;
    this.#send(`${this.#latest} (${Math.round((now - this.#startedAt) / 1000)} s)`);
  }
}

/** Returns undefined for events that are of no interest to a waiting caller. */
function describeEvent(event: TurnEvent): string | undefined {
  switch (event.type) {
    case 'turn_started':
      return 'Codex begins';
    case 'thinking':
      // Models write the title of a thought in bold.
      return `Thinking: ${event.text.replaceAll('**', '')}`;
    case 'plan_updated':
      return describePlan(event.steps);
    case 'command_started':
      return `Running: ${event.command}`;
    case 'command_completed':
      return event.exitCode === 0 ? undefined : `Failed (${event.exitCode}): ${event.command}`;
    case 'check_started':
      return `Running the check (round ${event.round} of ${event.rounds}): ${event.command}`;
    case 'check_completed':
      return describeCheck(event);
    case 'files_changed':
      return `${event.applied ? 'Changed' : 'Could not change'} ${event.paths.join(', ')}`;
    case 'tool_called':
      return `Calling ${event.tool}`;
    case 'web_searched':
      return `Searching the web: ${event.query}`;
    case 'message':
      return event.text.trimStart().startsWith('{') ? 'Answering' : event.text;
    case 'steered':
      return 'The caller sent a message';
    case 'approval_requested':
      return `Waiting for approval (${event.risk} risk) of ${event.operation}`;
    case 'approval_decided':
      return describeDecision(event);
    case 'context_compacted':
      return 'Shortening the conversation';
    case 'reconnecting':
      return `The model does not answer: ${event.message}`;
    case 'warning':
      return undefined;
    default:
      return event satisfies never;
  }
}

function describeDecision({ state, by }: Extract<TurnEvent, { type: 'approval_decided' }>): string {
  if (state === 'pending') return `Approved by ${by}; another approver is needed`;
  const isByPerson = state === 'approved' || state === 'declined';
  return `The approval is ${state}${isByPerson ? ` by ${by}` : ''}`;
}

function describeCheck(event: Extract<TurnEvent, { type: 'check_completed' }>): string {
  const { round, rounds, passed, exitCode, timedOut } = event;
  const end = timedOut ? 'did not end in time' : `failed (${exitCode ?? 'killed'})`;
  return `The check ${passed ? 'passed' : end} (round ${round} of ${rounds})`;
}

function describePlan(steps: Extract<TurnEvent, { type: 'plan_updated' }>['steps']): string {
  const done = steps.filter((step) => step.status === 'completed').length;
  const current = steps.find((step) => step.status === 'in_progress');
  return `Step ${Math.min(done + 1, steps.length)} of ${steps.length}${current ? `: ${current.step}` : ''}`;
}

function shorten(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  return line.length > LONGEST_MESSAGE ? `${line.slice(0, LONGEST_MESSAGE - 1)}…` : line;
}
