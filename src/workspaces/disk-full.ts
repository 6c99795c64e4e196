/**
 * Whether a program of the container says that it could not write for want of space. All that tar says
 * of a disk that had room for a part is how much that was.
 */
export function saysNoRoom(complaint: string): boolean {
  return /no space left|quota exceeded|wrote only \d+ of \d+ bytes/i.test(complaint);
}
