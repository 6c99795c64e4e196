import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.ts';
import {
  type ArchiveBounds,
  ArchiveRules,
  type EntryHeader,
} from '../workspaces/transfers/archive-rules.ts';
import type { EntryRules } from '../workspaces/transfers/checked-archive.ts';
import { renamed, rolloutAt, SESSIONS, splitPath, WORKSPACE } from './archive-layout.ts';
import { MANIFEST, MANIFEST_BYTES, type Manifest, readManifest } from './manifest.ts';

/** Longest first line of a conversation, which holds its instructions. */
const FIRST_LINE_BYTES = 8 * 1024 * 1024;
/** Does not match within a JSON string, whose quotes are escaped. */
const FORKED_FROM = /"forked_from_id":"([0-9a-f-]{36})"/;
const SHOWN_NAME = 200;

/** The id of a conversation in the archive, and its new id. */
type Rollout = { id: string; as: string };

/**
 * Rules for the entries of an untrusted archive of an agent: files go to `tree`; the conversation and
 * its origins stay in `sessions` with new ids, as the originals may exist. Anything else is
 * `archive_invalid`.
 */
export class ArchivedAgent implements EntryRules {
  /** The new id of the conversation. */
  readonly threadId: string = randomUUID();
  readonly #workspace: ArchiveRules;
  readonly #sessions: ArchiveRules;
  #began = false;
  #manifest: Manifest | undefined;
  #hasConversation = false;
  /** The only conversation that may come next. */
  #next: Rollout | undefined;

  constructor(bounds: ArchiveBounds) {
    this.#workspace = new ArchiveRules({ bounds, git: 'take' });
    this.#sessions = new ArchiveRules({ bounds, git: 'refuse' });
  }

  /** Throws `archive_invalid` if there was none. */
  get manifest(): Manifest {
    if (this.#manifest) return this.#manifest;
    throw new AppError('archive_invalid', `The archive does not begin with ${MANIFEST}.`);
  }

  get hasConversation(): boolean {
    return this.#hasConversation;
  }

  get report(): { files: number; bytes: number } {
    const { files, bytes } = this.#workspace.report;
    return { files, bytes };
  }

  headerFor(read: EntryHeader): EntryHeader | undefined {
    const { top, rest } = splitPath(read.name);
    if (!this.#began) return this.#first(read);
    if (top === WORKSPACE) {
      const header = this.#workspace.headerFor(within(WORKSPACE, read));
      return header && renamed(header, (name) => `tree/${name}`);
    }
    if (top === SESSIONS) return this.#session(read, rest);
    throw refused(read, `only ${MANIFEST}, ${WORKSPACE}/ and ${SESSIONS}/ are in a snapshot`);
  }

  contentOf({ name }: EntryHeader, content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    if (name === MANIFEST) return this.#reading(content);
    return name.startsWith(`${SESSIONS}/`) ? this.#renamed(content) : content;
  }

  #first({ name, type, size = 0 }: EntryHeader): EntryHeader {
    const { top, rest } = splitPath(name);
    if (top !== MANIFEST || rest !== '' || type !== 'file') void this.manifest;
    if (size > MANIFEST_BYTES) throw refused({ name }, `it has more than ${MANIFEST_BYTES} bytes`);
    this.#began = true;
    return { name: MANIFEST, type: 'file', size, mode: 0o644 };
  }

  #session(read: EntryHeader, rest: string): EntryHeader | undefined {
    const header = this.#sessions.headerFor(within(SESSIONS, read));
    if (!header || header.type === 'directory') return undefined;
    const rollout = header.type === 'file' ? rolloutAt(rest) : undefined;
    const next = this.#next;
    if (!rollout || !next || rollout.id !== next.id) {
      throw refused(
        read,
        `it is not the conversation that ${MANIFEST} names, nor what that is a fork of`,
      );
    }
    this.#hasConversation = true;
    return { ...header, name: `${SESSIONS}/${rollout.start}${next.as}.jsonl` };
  }

  /** Replaces the ids in the first line of a conversation by new ones of the same length. */
  #renamed(content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const own = this.#next;
    this.#next = undefined;
    return withFirstLine(content, (line) => {
      const [, id] = FORKED_FROM.exec(line) ?? [];
      this.#next = id === undefined ? undefined : { id, as: randomUUID() };
      return [own, this.#next].reduce(
        (renamed, each) => (each ? renamed.replaceAll(each.id, each.as) : renamed),
        line,
      );
    });
  }

  async *#reading(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    this.#manifest = readManifest(Buffer.concat(chunks).toString());
    const { threadId: id } = this.#manifest;
    if (id !== undefined) this.#next = { id, as: this.threadId };
    yield* chunks;
  }
}

/** Changes the first line, decoded byte by byte so that all else stays. */
async function* withFirstLine(
  content: AsyncIterable<Buffer>,
  change: (line: string) => string,
): AsyncGenerator<Buffer> {
  const replace = (line: Buffer) => Buffer.from(change(line.toString('latin1')), 'latin1');
  let line: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of content) {
    if (!line) {
      yield chunk;
      continue;
    }
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf('\n');
    if (end < 0 && line.length <= FIRST_LINE_BYTES) continue;
    if (end < 0) throw new AppError('archive_invalid', 'The conversation is not one of Codex.');
    yield replace(line.subarray(0, end));
    yield line.subarray(end);
    line = undefined;
  }
  if (line) yield replace(line);
}

/** The entry relative to a directory. A link out of it gets an empty target, which is refused. */
function within(top: string, header: EntryHeader): EntryHeader {
  const { rest } = splitPath(header.name);
  if (header.type !== 'link') return { ...header, name: rest };
  const target = splitPath(header.linkname ?? '');
  return { ...header, name: rest, linkname: target.top === top ? target.rest : '' };
}

function refused({ name }: Pick<EntryHeader, 'name'>, why: string): AppError {
  const entry = name.slice(0, SHOWN_NAME);
  const message = `The entry ${JSON.stringify(entry)} can't be taken: ${why}. Nothing was changed.`;
  return new AppError('archive_invalid', message, { data: { entry } });
}
