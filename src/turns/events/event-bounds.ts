import { beginningInWords, endInWords } from '../../audit/redaction/whole-words.ts';
import type { PlanStep } from '../../codex/codex-event.ts';
import type { TurnEvent } from './turn-event.ts';

/** Of each text in an event. The result of a turn has the whole final message. */
const TEXT_CHARACTERS = 4096;
/** How much of a longer text is redacted before it is cut. */
const SEARCHED_CHARACTERS = 4 * TEXT_CHARACTERS;
/** Of each list in an event: the stricter limit holds. */
const LIST_ENTRIES = 200;
const LIST_CHARACTERS = 16_384;

type Redact = (text: string) => string;

/**
 * Cuts texts and lists, which may have any length, and redacts texts before, so that no secret is cut
 * in two. The end of an output is kept, and the beginning of any other text.
 */
export function boundEvent(event: TurnEvent, redact: Redact = (text) => text): TurnEvent {
  const beginning = (text: string) => beginningOf(text, redact);
  switch (event.type) {
    case 'command_completed':
    case 'check_completed':
      return { ...event, command: beginning(event.command), output: endOf(event.output, redact) };
    case 'command_started':
    case 'check_started':
      return { ...event, command: beginning(event.command) };
    case 'files_changed':
      return { ...event, ...boundList('paths', event.paths, (path) => path, beginning) };
    case 'plan_updated': {
      const bound = (each: PlanStep) => ({ ...each, step: beginning(each.step) });
      return { ...event, ...boundList('steps', event.steps, ({ step }) => step, bound) };
    }
    case 'thinking':
    case 'message':
    case 'steered':
      return { ...event, text: beginning(event.text) };
    case 'tool_called':
      return { ...event, tool: beginning(event.tool) };
    case 'web_searched':
      return { ...event, query: beginning(event.query) };
    case 'reconnecting':
    case 'warning':
      return { ...event, message: beginning(event.message) };
    case 'approval_requested':
      return { ...event, operation: beginning(event.operation) };
    case 'turn_started':
    case 'context_compacted':
    case 'approval_decided':
      return event;
    default:
      return event satisfies never;
  }
}

function beginningOf(text: string, redact: Redact): string {
  const seen = redact(beginningInWords(text, SEARCHED_CHARACTERS));
  if (text.length <= SEARCHED_CHARACTERS && seen.length <= TEXT_CHARACTERS) return seen;
  const note = `… (${text.length} characters)`;
  return copied(seen.slice(0, TEXT_CHARACTERS - note.length)) + note;
}

function endOf(text: string, redact: Redact): string {
  const seen = redact(endInWords(text, SEARCHED_CHARACTERS));
  return seen.length <= TEXT_CHARACTERS ? seen : copied(seen.slice(-TEXT_CHARACTERS));
}

/** A slice keeps the whole string in memory. A copy does not, and replaces half a character. */
function copied(slice: string): string {
  return Buffer.from(slice).toString();
}

/** Bounds only the entries that are kept. */
function boundList<Name extends string, Entry>(
  name: Name,
  entries: readonly Entry[],
  textOf: (entry: Entry) => string,
  bound: (entry: Entry) => Entry,
) {
  let characters = 0;
  const fits = (entry: Entry, index: number) => {
    characters += Math.min(TEXT_CHARACTERS, textOf(entry).length);
    return index < LIST_ENTRIES && characters <= LIST_CHARACTERS;
  };
  const end = entries.findIndex((entry, index) => !fits(entry, index));
  const kept: readonly Entry[] = (end < 0 ? entries : entries.slice(0, end)).map(bound);
  const list = { [name]: kept } as Record<Name, readonly Entry[]>;
  return end < 0 ? list : { ...list, omitted: entries.length - end };
}
