import type { Header } from 'tar-stream';
import { AppError } from '../../errors.ts';
import { isInGit, pathParts } from '../workspace-path.ts';
import { type EntryKind, EntryTree } from './entry-tree.ts';

export type EntryHeader = Pick<Header, 'name'> & Partial<Header>;

/** Limit of all paths of an archive, which stay in memory while it is read. */
const NAMES_BYTES = 64 * 1024 * 1024;
const BLOCK_BYTES = 512;
const NAME_CHARACTERS = 200;
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
  /** Directory of the workspace that the archive starts at, in parts. */
  base?: readonly string[];
  /** Treatment of entries in a `.git`. */
  git: 'skip' | 'refuse' | 'take';
  /** Whether to omit an invalid entry instead of throwing. */
  lenient?: boolean;
};

/** Counts of the entries of an archive. */
export type ArchiveReport = {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Entries in a `.git`. */
  skipped: number;
  /** Invalid entries. */
  omitted: number;
};

const OMITTED_NAMED = 20;

/** Decides, in order, on each entry of one archive: its new header, or that it is skipped or omitted. */
export class ArchiveRules {
  readonly report: ArchiveReport = {
    ...{ files: 0, directories: 0, links: 0, bytes: 0, skipped: 0, omitted: 0 },
  };
  /** Names of the first omitted entries. */
  readonly omittedNames: string[] = [];
  readonly #options: RuleOptions;
  readonly #tree = new EntryTree();
  #entries = 0;
  #bytes = 0;
  #names = 0;

  constructor(options: RuleOptions) {
    this.#options = options;
  }

  /**
   * The new header of an entry: a relative path, plain modes and no owner. Undefined if the entry is
   * skipped or omitted. Throws `archive_invalid` with the name of the entry, or `upload_too_large`.
   */
  headerFor(read: EntryHeader): EntryHeader | undefined {
    this.#count(read);
    const parts = pathParts(read.name);
    // The directory of the archive itself exists, or staging creates it.
    if (Array.isArray(parts) && parts.length === 0 && read.type === 'directory') return undefined;
    if (Array.isArray(parts) && this.#isSkipped(parts)) {
      this.report.skipped += 1;
      return undefined;
    }
    const objection = typeof parts === 'string' ? parts : this.#objection(parts, read);
    if (objection === undefined && Array.isArray(parts)) return this.#accept(parts, read);
    if (!this.#options.lenient) throw refused(read.name, objection ?? 'it has no path');
    this.omit(read.name);
    return undefined;
  }

  omit(name: string): void {
    this.report.omitted += 1;
    if (this.omittedNames.length < OMITTED_NAMED) this.omittedNames.push(shown(name));
  }

  #count({ name, size = 0 }: EntryHeader): void {
    const { bytes, entries } = this.#options.bounds;
    this.#entries += 1;
    this.#bytes += size + BLOCK_BYTES;
    this.#names += Buffer.byteLength(name);
    if (this.#entries > entries) throw tooLarge(`more than ${entries} entries`, { entries });
    if (this.#bytes > bytes) throw tooLarge(`more than ${bytes} bytes`, { bytes });
    if (this.#names > NAMES_BYTES) {
      throw tooLarge(`paths of more than ${NAMES_BYTES} bytes`, { bytes: NAMES_BYTES });
    }
  }

  #isSkipped(parts: readonly string[]): boolean {
    return this.#options.git === 'skip' && isInGit(parts);
  }

  #objection(parts: readonly string[], { type, linkname, pax }: EntryHeader): string | undefined {
    const { git } = this.#options;
    if (parts.length === 0) return 'it has no name';
    if (git === 'refuse' && isInGit(parts)) return 'it is in .git, which uploads must not change';
    const kind = KINDS.get(type);
    if (!kind) return 'it is not a file, directory or link';
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
      return isEarlier ? undefined : 'it is a hard link without an earlier file in the archive';
    }
    if (type !== 'symlink') return undefined;
    const { base = [] } = this.#options;
    return leadsOut(linkname, base.length + parts.length - 1)
      ? 'it is a link to a path outside of the workspace'
      : undefined;
  }

  #accept(parts: readonly string[], read: EntryHeader): EntryHeader {
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
 * Whether a symbolic link at a depth leads out of the workspace. `..` is allowed only at the start of the
 * target: after a name, which may be another link, it could lead anywhere.
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
  const message = `The entry ${JSON.stringify(entry)} is refused: ${why}. Nothing was changed.`;
  return new AppError('archive_invalid', message, { data: { entry } });
}

function shown(name: string): string {
  return name.slice(0, NAME_CHARACTERS);
}

function tooLarge(what: string, limit: object): AppError {
  return new AppError('upload_too_large', `The archive has ${what}.`, { data: { limit } });
}
