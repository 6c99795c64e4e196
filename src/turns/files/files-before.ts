import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import type { Question } from '../asking/codex-asker.ts';
import type { SentTurn } from '../turn.ts';

/** A turn whose files are to be recorded, with what makes that durable. */
type Recorded = Pick<Question, 'turnId' | 'threadId' | 'request' | 'sent'> & {
  journal: (sent: SentTurn) => void;
};

/**
 * Records the files before a turn while the model thinks: no answer of it gets through before that is
 * done and journalled, so that nothing runs before.
 */
export class FilesBefore {
  readonly #gateway: Pick<ModelGateway, 'hold'>;
  /** Agents whose turn an earlier server sent, with what ends their wait. */
  readonly #heldBack = new Map<string, PromiseWithResolvers<void>>();

  constructor(gateway: Pick<ModelGateway, 'hold'>) {
    this.#gateway = gateway;
  }

  /** Keeps answers of the model from an agent until its turn is taken up. */
  holdBack(agentId: string): void {
    const held = Promise.withResolvers<void>();
    this.#heldBack.set(agentId, held);
    this.#gateway.hold(agentId, held.promise);
  }

  /** Throws at once if the turn cannot be journalled; rejects if the files cannot be recorded. */
  record({ workspace }: AgentLink, turn: Recorded): Promise<Checkpoint> {
    const { request, sent, threadId, turnId, journal } = turn;
    if (sent?.before) return Promise.resolve(sent.before);
    const clientMessageId = sent?.clientMessageId ?? turnId;
    journal({ clientMessageId, threadId });
    const recorded = workspace.checkpoint().then((before) => {
      journal({ clientMessageId, threadId, before });
      return before;
    });
    const done = recorded.then(() => undefined);
    const held = this.#heldBack.get(request.agentId);
    this.#heldBack.delete(request.agentId);
    held?.resolve(done);
    this.#gateway.hold(request.agentId, done);
    return recorded;
  }
}
