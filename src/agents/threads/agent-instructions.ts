import { createHash } from 'node:crypto';

/** Codex repeats developer instructions after it compacts a thread. */
export function developerInstructions(
  own: string | undefined,
  ofAgent: string | undefined,
): string | undefined {
  const parts = [own, ofAgent && `# Instructions for this agent\n\n${ofAgent}`];
  return parts.filter((part) => part !== undefined && part !== '').join('\n\n') || undefined;
}

/** A message to a thread that has other instructions. */
export function changedInstructions(ofAgent: string | undefined): string {
  return ofAgent === undefined
    ? 'The instructions for this agent were withdrawn: those given above no longer hold.'
    : `# Instructions for this agent\n\nThese take the place of all that were given above.\n\n${ofAgent}`;
}

/** Undefined without instructions. */
export function instructionsDigest(ofAgent: string | undefined): string | undefined {
  return ofAgent && createHash('sha256').update(ofAgent).digest('hex').slice(0, 16);
}
