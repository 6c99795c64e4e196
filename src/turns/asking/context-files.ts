import type { Logger } from 'pino';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { SentTurn, TurnRequest } from '../turn.ts';
import type { TurnKind } from '../turn-kind.ts';

const NAMED = 20;
const NAME_CHARACTERS = 200;

type Reading = {
  kind: TurnKind;
  request: TurnRequest;
  sent: SentTurn | undefined;
  onNote: (note: string) => void;
};

/**
 * Notes which files are not there that the caller says to read first. Nothing is noted of a turn that
 * is taken up, which may have made them since, or if nobody can look.
 */
export async function noteMissingFiles(
  { workspace }: AgentLink,
  { kind, request, sent, onNote }: Reading,
  log: Logger,
): Promise<void> {
  const paths = kind.reads?.(kind.args.parse(request.args)) ?? [];
  if (sent || paths.length === 0) return;
  try {
    const missing = await workspace.missing(paths);
    if (missing.length > 0) onNote(`Not in the workspace: ${listed(missing)}.`);
  } catch (error) {
    log.debug({ err: error, agentId: request.agentId }, 'Nobody knows which files are missing');
  }
}

function listed(paths: readonly string[]): string {
  const names = paths.slice(0, NAMED).map((path) => path.slice(0, NAME_CHARACTERS));
  const more = paths.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
