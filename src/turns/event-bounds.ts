import type { TurnEvent } from './turn-event.ts';

/** Of each text in an event. The result of a turn holds its last message whole. */
const TEXT_CHARACTERS = 4096;
/** Of each list in an event: whatever of both comes first. */
const LIST_ENTRIES = 200;
const LIST_CHARACTERS = 16_384;

/**
 * Cuts what Codex, and whoever speaks in its place, may make as long as it likes. Of an output the
 * end is kept, of anything else the beginning.
 */
export function boundEvent(event: TurnEvent): TurnEvent {
  switch (event.type) {
    case 'command_completed':
      return { ...event, command: beginningOf(event.command), output: endOf(event.output) };
    case 'command_started':
      return { ...event, command: beginningOf(event.command) };
    case 'files_changed': {
      const paths = event.paths.map(beginningOf);
      return { ...event, ...boundList('paths', paths, (path) => path) };
    }
    case 'plan_updated': {
      const steps = event.steps.map((each) => ({ ...each, step: beginningOf(each.step) }));
      return { ...event, ...boundList('steps', steps, ({ step }) => step) };
    }
    case 'thinking':
    case 'message':
    case 'steered':
      return { ...event, text: beginningOf(event.text) };
    case 'tool_called':
      return { ...event, tool: beginningOf(event.tool) };
    case 'web_searched':
      return { ...event, query: beginningOf(event.query) };
    case 'reconnecting':
    case 'warning':
      return { ...event, message: beginningOf(event.message) };
    case 'turn_started':
    case 'context_compacted':
      return event;
    default:
      return event satisfies never;
  }
}

function beginningOf(text: string): string {
  if (text.length <= TEXT_CHARACTERS) return text;
  const note = `… (${text.length} characters)`;
  return copied(text.slice(0, TEXT_CHARACTERS - note.length)) + note;
}

function endOf(text: string): string {
  return text.length <= TEXT_CHARACTERS ? text : copied(text.slice(-TEXT_CHARACTERS));
}

/** A slice of a string keeps all of it in memory; this does not, and it mends a cut character. */
function copied(slice: string): string {
  return Buffer.from(slice).toString();
}

function boundList<Name extends string, Entry>(
  name: Name,
  entries: readonly Entry[],
  textOf: (entry: Entry) => string,
) {
  let characters = 0;
  const fits = (entry: Entry, index: number) => {
    characters += textOf(entry).length;
    return index < LIST_ENTRIES && characters <= LIST_CHARACTERS;
  };
  const end = entries.findIndex((entry, index) => !fits(entry, index));
  const kept = { [name]: end < 0 ? entries : entries.slice(0, end) } as Record<
    Name,
    readonly Entry[]
  >;
  return end < 0 ? kept : { ...kept, omitted: entries.length - end };
}
