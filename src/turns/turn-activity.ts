import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import type { TurnEvent } from './events/turn-event.ts';

/** Events that leave no trace in the workspace. */
const HARMLESS: ReadonlySet<TurnEvent['type']> = new Set([
  'turn_started',
  'thinking',
  'plan_updated',
  'message',
  'context_compacted',
  'steered',
  'approval_requested',
  'approval_decided',
  'reconnecting',
  'warning',
]);
const COMMANDS_KEPT = 20;

/** Summarizes the events of an attempt. */
export class TurnActivity {
  /** The last commands, by item. */
  readonly #commands = new Map<string, { command: string; exit_code: number | null }>();
  #lastMessage: string | undefined;
  #touchedAnything = false;

  add(event: TurnEvent): void {
    if (!HARMLESS.has(event.type)) this.#touchedAnything = true;
    if (event.type === 'message') this.#lastMessage = event.text;
    this.#keepCommand(event);
  }

  /** Whether anything may have run. A second model request can answer a tool call that has no event. */
  mayHaveActed({ model_requests }: TokenUsage): boolean {
    return this.#touchedAnything || model_requests > 1;
  }

  /** The last commands and the last message, for a caller whose turn timed out. */
  summary() {
    return { last_message: this.#lastMessage ?? null, commands: [...this.#commands.values()] };
  }

  /** A command without an exit code has not ended, or was killed. */
  #keepCommand(event: TurnEvent): void {
    const id = commandId(event);
    if (id === undefined || !('command' in event)) return;
    const exitCode = 'exitCode' in event ? event.exitCode : undefined;
    this.#commands.set(id, { command: event.command, exit_code: exitCode ?? null });
    const [oldest] = this.#commands.keys();
    if (oldest !== undefined && this.#commands.size > COMMANDS_KEPT) this.#commands.delete(oldest);
  }
}

/** The item of a command or a check; undefined for any other event. */
function commandId(event: TurnEvent): string | undefined {
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
