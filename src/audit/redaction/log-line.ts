import type { Redactor } from './redactor.ts';

/** A line of the log without secrets; each text in it is looked at as it was before it became JSON. */
export function redactedLine(line: string, redactor: Redactor): string {
  try {
    return `${JSON.stringify(redactor.json(JSON.parse(line)))}\n`;
  } catch {
    // Not JSON, which no logger of ours writes.
    return redactor.text(line);
  }
}
