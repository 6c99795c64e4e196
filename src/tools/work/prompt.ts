import { z } from 'zod';

/** A text of a prompt, never empty. */
export const textInput = (description: string) => z.string().trim().min(1).describe(description);

/** A list of a prompt, with a line for each entry. */
export const listInput = (description: string) =>
  z.array(z.string().trim().min(1)).max(1000).optional().describe(description);

/** A section of a prompt; empty without a body. */
export function section(title: string, body: string | readonly string[] | undefined): string {
  const text = typeof body === 'string' ? body : (body ?? []).map((line) => `- ${line}`).join('\n');
  return text === '' ? '' : `\n\n## ${title}\n\n${text}`;
}
