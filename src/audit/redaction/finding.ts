/** A secret in a text, and its kind, such as `GITHUB_TOKEN`. */
export type Finding = { start: number; end: number; kind: string };

/** Replaces each finding by its kind; overlapping ones by the kind of the first. */
export function redactFindings(text: string, findings: readonly Finding[]): string {
  if (findings.length === 0) return text;
  const sorted = findings.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const parts: string[] = [];
  let end = 0;
  for (const finding of sorted) {
    if (finding.start >= end) {
      parts.push(text.slice(end, finding.start), `[redacted ${finding.kind}]`);
    }
    end = Math.max(end, finding.end);
  }
  parts.push(text.slice(end));
  return parts.join('');
}
