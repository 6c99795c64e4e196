import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import type { SentTurn } from '../turn.ts';
import type { TurnAttempt } from '../turn-attempt.ts';

/**
 * Records the files before a turn while the model works on its answer. The gateway holds the answer
 * until the files are recorded and journaled, so that no command runs before.
 */
export class FilesBefore {
  readonly #gateway: Pick<ModelGateway, 'hold'>;
  /** Agents whose turn an earlier server sent, until the turn is recorded. */
  readonly #held = new Map<AgentId, PromiseWithResolvers<void>>();

  constructor(gateway: Pick<ModelGateway, 'hold'>) {
    this.#gateway = gateway;
  }

  /** Holds the answers of the model for an agent until {@link record} is called and has ended. */
  hold(agentId: AgentId): void {
    const held = Promise.withResolvers<void>();
    this.#held.set(agentId, held);
    this.#gateway.hold(agentId, held.promise);
  }

  /** Throws at once if the turn cannot be journaled. Rejects if the files cannot be recorded. */
  record(
    { turn, link, threadId, sent }: TurnAttempt,
    journal: (sent: SentTurn) => void,
  ): Promise<Checkpoint> {
    if (sent?.before) return Promise.resolve(sent.before);
    const { agentId, turnId } = turn.record;
    const clientMessageId = sent?.clientMessageId ?? turnId;
    journal({ clientMessageId, threadId });
    const recorded = link.workspace.checkpoint().then((before) => {
      journal({ clientMessageId, threadId, before });
      return before;
    });
    const done = recorded.then(() => undefined);
    const held = this.#held.get(agentId);
    this.#held.delete(agentId);
    held?.resolve(done);
    this.#gateway.hold(agentId, done);
    return recorded;
  }
}
