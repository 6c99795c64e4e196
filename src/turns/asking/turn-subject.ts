import type { Logger } from 'pino';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { LiveTurn } from '../live-turn.ts';
import type { Subject } from '../turn-kind.ts';

const LISTED = 20;
const NAME_CHARACTERS = 200;

/**
 * Returns the subject of a turn, if its kind has one. Throws why a new turn cannot be asked; a turn
 * that was sent before continues without its subject then.
 */
export async function findSubject(
  { workspace }: AgentLink,
  { prepared, record }: LiveTurn,
): Promise<Subject | undefined> {
  const finding = prepared.subject(workspace);
  return record.sent ? finding.catch(() => undefined) : finding;
}

/**
 * Notes which files are missing that Codex is told to read first. A turn that was sent before may have
 * made them since. A workspace that cannot be read leaves no note.
 */
export async function noteMissingFiles(
  { workspace }: AgentLink,
  turn: LiveTurn,
  log: Logger,
): Promise<void> {
  const { record, prepared } = turn;
  if (record.sent || prepared.reads.length === 0) return;
  try {
    const missing = await workspace.missing(prepared.reads);
    if (missing.length > 0) turn.note(`Not in the workspace: ${listed(missing)}.`);
  } catch (error) {
    log.debug({ err: error, agentId: record.agentId }, 'Missing files could not be looked for');
  }
}

function listed(paths: readonly string[]): string {
  const names = paths.slice(0, LISTED).map((path) => path.slice(0, NAME_CHARACTERS));
  const more = paths.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
