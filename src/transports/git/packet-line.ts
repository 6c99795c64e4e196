/** Flush packet of git's protocol, which ends a list. */
export const FLUSH = Buffer.from('0000');
const HEAD_DIGITS = 4;

/** A line of git's protocol, which begins with its own length in hex. */
export function packet(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = (bytes.length + HEAD_DIGITS).toString(16).padStart(HEAD_DIGITS, '0');
  return Buffer.concat([Buffer.from(length), bytes]);
}
