import type { ArchiveRules, EntryHeader } from '../workspaces/transfers/archive-rules.ts';
import type { EntryRules } from '../workspaces/transfers/checked-archive.ts';

/** Directories of an archive, beside `manifest.json`. */
export const WORKSPACE = 'workspace';
export const SESSIONS = 'sessions';

const ROLLOUT = /^(\d{4}\/\d\d\/\d\d\/rollout-[0-9T-]{1,40}-)([0-9a-f-]{36})\.jsonl$/;
/** The end of a tar archive: two blocks of zeros. */
const END_BYTES = 1024;

/** The first part of a path and the rest, which may be empty. */
export function splitPath(name: string): { top: string; rest: string } {
  const [, top = '', rest = ''] = /^(?:\.\/)?([^/]*)\/?(.*)$/s.exec(name) ?? [];
  return { top, rest };
}

/** The id of the conversation at a path below `sessions`, and the path up to it. */
export function rolloutAt(path: string): { start: string; id: string } | undefined {
  const [, start, id] = ROLLOUT.exec(path) ?? [];
  return start === undefined || id === undefined ? undefined : { start, id };
}

/** Rules that move the accepted entries into a directory. */
export function inDirectory(
  top: string,
  rules: ArchiveRules,
  isWanted: (header: EntryHeader) => boolean = () => true,
): EntryRules {
  return {
    headerFor(read) {
      const header = rules.headerFor(read);
      return header && isWanted(header) ? renamed(header, (name) => `${top}/${name}`) : undefined;
    },
  };
}

/** An entry at another path. The target of a hard link is renamed too. */
export function renamed(header: EntryHeader, place: (name: string) => string): EntryHeader {
  const { name, type, linkname = '' } = header;
  return { ...header, name: place(name), ...(type === 'link' && { linkname: place(linkname) }) };
}

/** One archive of several. */
export async function* concatenated(
  archives: readonly AsyncIterable<Uint8Array>[],
): AsyncGenerator<Uint8Array> {
  for (const archive of archives) {
    let held: Uint8Array = new Uint8Array();
    for await (const chunk of archive) {
      const known = Buffer.concat([held, chunk]);
      const end = Math.max(0, known.length - END_BYTES);
      if (end > 0) yield known.subarray(0, end);
      held = known.subarray(end);
    }
  }
  yield new Uint8Array(END_BYTES);
}
