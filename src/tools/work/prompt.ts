import { z } from 'zod';

/** A text that a prompt is made of; never empty. */
export const textInput = (description: string) => z.string().trim().min(1).describe(description);

/** The same as a list, each of which becomes a line. */
export const listInput = (description: string) =>
  z.array(z.string().trim().min(1)).max(1000).optional().describe(description);

/** One part of a prompt; nothing if there is nothing to say. */
export function section(title: string, body: string | readonly string[] | undefined): string {
  const text = typeof body === 'string' ? body : (body ?? []).map((line) => `- ${line}`).join('\n');
  return text === '' ? '' : `\n\n## ${title}\n\n${text}`;
}
