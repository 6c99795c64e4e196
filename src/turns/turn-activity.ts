import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import { boundEvent } from './events/event-bounds.ts';
import type { TurnEvent } from './events/turn-event.ts';

/** Events that leave no trace in the workspace. */
const HARMLESS: ReadonlySet<TurnEvent['type']> = new Set([
  'turn_started',
  'thinking',
  'plan_updated',
  'message',
  'context_compacted',
  'steered',
  'reconnecting',
  'warning',
]);
const COMMANDS_KEPT = 20;

/** Listens to a turn: what it did, with paths as the user knows them. */
export class TurnActivity {
  readonly #workspace: string;
  readonly #forward: (event: TurnEvent) => void;
  /** The last of its commands, by item. */
  readonly #commands = new Map<string, { command: string; exit_code: number | null }>();
  #lastMessage: string | undefined;
  #touchedAnything = false;

  constructor(workspace: string, forward: (event: TurnEvent) => void) {
    this.#workspace = workspace;
    this.#forward = forward;
  }

  readonly onEvent = (whole: TurnEvent): void => {
    const event = boundEvent(whole);
    if (!HARMLESS.has(event.type)) this.#touchedAnything = true;
    if (event.type === 'message') this.#lastMessage = event.text;
    this.#keepCommand(event);
    this.#forward(event.type === 'files_changed' ? this.#shorten(event) : event);
  };

  /** Whether anything may have run. A second model request can answer a tool of which Codex told nothing. */
  mayHaveActed({ model_requests }: TokenUsage): boolean {
    return this.#touchedAnything || model_requests > 1;
  }

  /** The last of what it ran and said, for people who wait no longer. */
  summary() {
    return { last_message: this.#lastMessage ?? null, commands: [...this.#commands.values()] };
  }

  /** A command without an exit code has not ended, or was killed. */
  #keepCommand(event: TurnEvent): void {
    const id = idOfCommand(event);
    if (id === undefined || !('command' in event)) return;
    const exitCode = 'exitCode' in event ? event.exitCode : undefined;
    this.#commands.set(id, { command: event.command, exit_code: exitCode ?? null });
    const [oldest] = this.#commands.keys();
    if (oldest !== undefined && this.#commands.size > COMMANDS_KEPT) this.#commands.delete(oldest);
  }

  #shorten(event: Extract<TurnEvent, { type: 'files_changed' }>): TurnEvent {
    return { ...event, paths: event.paths.map((file) => file.replace(`${this.#workspace}/`, '')) };
  }
}

/** The item that an event tells of as a command or a check; undefined for any other event. */
function idOfCommand(event: TurnEvent): string | undefined {
  switch (event.type) {
    case 'command_started':
    case 'command_completed':
      return event.itemId;
    case 'check_started':
    case 'check_completed':
      return `check ${event.round}`;
    default:
      return undefined;
  }
}
