import type { Header } from 'tar-stream';
import { AppError } from '../../errors.ts';
import { isInGit, pathParts } from '../workspace-path.ts';
import { type EntryKind, EntryTree } from './entry-tree.ts';

/** What an archive says of an entry, and what is said of it in turn. */
export type EntryHeader = Pick<Header, 'name'> & Partial<Header>;

/** All paths of an archive together, which are kept while it is read. */
const NAMES_BYTES = 64 * 1024 * 1024;
const BLOCK_BYTES = 512;
const SHOWN_NAME = 200;
const LATEST_SECONDS = 2 ** 33;
const KINDS = new Map<EntryHeader['type'], EntryKind>([
  ['file', 'file'],
  ['contiguous-file', 'file'],
  ['link', 'file'],
  ['symlink', 'link'],
  ['directory', 'directory'],
]);

export type ArchiveBounds = { bytes: number; entries: number };

export type RuleOptions = {
  bounds: ArchiveBounds;
  /** The directory of the workspace that the archive is of. */
  base?: readonly string[];
  /** What becomes of entries in a repository of git. */
  git: 'skip' | 'refuse' | 'take';
  /** Whether an entry that can't be taken is left out, and the others go on. */
  lenient?: boolean;
};

/** What an archive held, as far as it was taken. */
export type ArchiveReport = {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Entries in repositories of git. */
  skipped: number;
  /** Entries that nobody should be handed. */
  omitted: number;
};

/** How many of the entries that are left out are named. */
const OMITTED_NAMED = 20;

/** Decides on the entries of one archive, in their order: what each becomes, and which are not taken. */
export class ArchiveRules {
  readonly report: ArchiveReport = {
    ...{ files: 0, directories: 0, links: 0, bytes: 0, skipped: 0, omitted: 0 },
  };
  /** Names of the first of the entries that nobody should be handed. */
  readonly omittedNames: string[] = [];
  readonly #options: RuleOptions;
  readonly #tree = new EntryTree();
  #entries = 0;
  #taken = 0;
  #names = 0;

  constructor(options: RuleOptions) {
    this.#options = options;
  }

  /**
   * The header that goes on in the place of one that was read: a path within, plain modes, no owner.
   * Undefined if the entry is left out. Throws `archive_invalid`, naming the entry, or
   * `upload_too_large`.
   */
  headerFor(read: EntryHeader): EntryHeader | undefined {
    this.#count(read);
    const parts = pathParts(read.name);
    // Of the directory itself: it is there, or is made.
    if (Array.isArray(parts) && parts.length === 0 && read.type === 'directory') return undefined;
    if (Array.isArray(parts) && this.#isLeftOut(parts)) {
      this.report.skipped += 1;
      return undefined;
    }
    const objection = typeof parts === 'string' ? parts : this.#objection(parts, read);
    if (objection === undefined && Array.isArray(parts)) return this.#taking(parts, read);
    if (!this.#options.lenient) throw refused(read.name, objection ?? 'it has no path');
    this.omit(read.name);
    return undefined;
  }

  /** Counts an entry that does not go on. */
  omit(name: string): void {
    this.report.omitted += 1;
    if (this.omittedNames.length < OMITTED_NAMED) this.omittedNames.push(shown(name));
  }

  #count({ name, size = 0 }: EntryHeader): void {
    const { bytes, entries } = this.#options.bounds;
    this.#entries += 1;
    this.#taken += size + BLOCK_BYTES;
    this.#names += Buffer.byteLength(name);
    if (this.#entries > entries) throw tooLarge(`more than ${entries} entries`, { entries });
    if (this.#taken > bytes) throw tooLarge(`more than ${bytes} bytes`, { bytes });
    if (this.#names > NAMES_BYTES) {
      throw tooLarge(`paths of more than ${NAMES_BYTES} bytes`, { bytes: NAMES_BYTES });
    }
  }

  #isLeftOut(parts: readonly string[]): boolean {
    return this.#options.git === 'skip' && isInGit(parts);
  }

  #objection(parts: readonly string[], { type, linkname, pax }: EntryHeader): string | undefined {
    const { git } = this.#options;
    if (parts.length === 0) return 'it has no name';
    if (git === 'refuse' && isInGit(parts)) return 'it lies in .git, which is not for uploads';
    const kind = KINDS.get(type);
    if (!kind) return 'it is neither a file, a directory nor a link';
    if (Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse'))) {
      return 'it is a sparse file';
    }
    return (
      this.#badTarget(parts, { type, linkname: linkname ?? '' }) ?? this.#tree.add(parts, kind)
    );
  }

  #badTarget(
    parts: readonly string[],
    { type, linkname }: { type: EntryHeader['type']; linkname: string },
  ): string | undefined {
    if (type === 'link') {
      const target = pathParts(linkname);
      const isEarlier = typeof target !== 'string' && this.#tree.hasFile(target);
      return isEarlier ? undefined : 'it is a hard link to no earlier file of the archive';
    }
    if (type !== 'symlink') return undefined;
    const { base = [] } = this.#options;
    return leadsOut(linkname, base.length + parts.length - 1)
      ? 'it is a link that leads out of the workspace'
      : undefined;
  }

  #taking(parts: readonly string[], read: EntryHeader): EntryHeader {
    const { type, size = 0 } = read;
    const common = { name: parts.join('/'), mtime: plainTime(read.mtime), uid: 0, gid: 0 };
    const { report } = this;
    if (type === 'directory') {
      report.directories += 1;
      return { ...common, type, mode: 0o755, size: 0 };
    }
    if (type === 'symlink' || type === 'link') {
      report.links += 1;
      const target = read.linkname ?? '';
      const within = type === 'link' ? [pathParts(target)].flat().join('/') : target;
      return { ...common, type, mode: 0o777, size: 0, linkname: within };
    }
    report.files += 1;
    report.bytes += size;
    return { ...common, type: 'file', size, mode: (read.mode ?? 0) & 0o100 ? 0o755 : 0o644 };
  }
}

/**
 * Whether a symbolic link in a directory so deep leads out. It may go up, but not after it has gone
 * down: that could be through another link, and so lead up from anywhere.
 */
function leadsOut(target: string, depth: number): boolean {
  if (target === '' || target.startsWith('/') || /[\0\uFFFD]/.test(target)) return true;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const up = ups < 0 ? parts.length : ups;
  return up > depth || parts.slice(up).includes('..');
}

function plainTime(time: Date | undefined): Date {
  const seconds = Math.floor((time?.getTime() ?? 0) / 1000);
  const isPlain = seconds >= 0 && seconds < LATEST_SECONDS;
  return new Date(isPlain ? seconds * 1000 : 0);
}

function refused(name: string, why: string): AppError {
  const entry = shown(name);
  const message = `The entry ${JSON.stringify(entry)} can't be taken: ${why}. Nothing was changed.`;
  return new AppError('archive_invalid', message, { data: { entry } });
}

function shown(name: string): string {
  return name.slice(0, SHOWN_NAME);
}

function tooLarge(what: string, limit: object): AppError {
  return new AppError('upload_too_large', `The archive has ${what}.`, { data: { limit } });
}
