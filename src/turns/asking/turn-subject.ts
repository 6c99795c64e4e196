import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { SentTurn, TurnRequest } from '../turn.ts';
import type { Subject, TurnKind } from '../turn-kind.ts';

type Looking = { kind: TurnKind; request: TurnRequest; sent: SentTurn | undefined };

/**
 * What a turn is about, if that has to be looked for. Throws why it cannot be asked; a turn that is
 * taken up was asked, and goes on without.
 */
export async function subjectOf(
  { workspace }: AgentLink,
  { kind, request, sent }: Looking,
): Promise<Subject | undefined> {
  const looking = kind.look?.(kind.args.parse(request.args), workspace);
  return sent ? looking?.catch(() => undefined) : looking;
}
