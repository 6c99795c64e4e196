import type { Redactor } from './redactor.ts';

/** Redacts a line of the log. Each text in its JSON is searched unescaped. */
export function redactedLine(line: string, redactor: Redactor): string {
  try {
    return `${JSON.stringify(redactor.json(JSON.parse(line)))}\n`;
  } catch {
    return redactor.text(line);
  }
}
