import { AppError } from '../errors.ts';

const PATH_BYTES = 4096;
const NAME_BYTES = 255;
const DEPTH = 100;

/** Name of the staging directory, in the workspace or in the home of the agent. */
export const STAGING = '.codex-mcp-staging';

/** The parts of a path in a workspace, or as a string what is wrong with the path. */
export function pathParts(text: string): string[] | string {
  if (text.startsWith('/')) return 'its path is absolute';
  if (text.includes('\0')) return 'its path contains a NUL';
  // Invalid UTF-8 was decoded to this character: two names could become one.
  if (text.includes('\uFFFD')) return 'its path is not UTF-8';
  if (Buffer.byteLength(text) > PATH_BYTES) return `its path is longer than ${PATH_BYTES} bytes`;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return 'its path contains ".."';
  if (parts.length > DEPTH) return `its path is deeper than ${DEPTH} directories`;
  if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES)) {
    return `a name in its path is longer than ${NAME_BYTES} bytes`;
  }
  return parts[0] === STAGING ? 'this name is reserved for uploads' : parts;
}

/** The parts of a path that a caller gave. Throws `invalid_input`. */
export function callerPath(text: string, field = 'path'): string[] {
  const parts = pathParts(text);
  if (typeof parts !== 'string') return parts;
  throw new AppError('invalid_input', `${field}: ${parts}. Give a path within the workspace.`, {
    data: { issues: [{ field, problem: parts }] },
  });
}

/** Whether a path has a part `.git`, in any case, as file systems may ignore case. */
export function isInGit(parts: readonly string[]): boolean {
  return parts.some((part) => part.toLowerCase() === '.git');
}
