import type { Logger } from 'pino';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { Config } from '../../config/config.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import type { DiffBounds } from '../../workspaces/file-change.ts';
import type { Question } from '../asking/codex-asker.ts';
import type { CheckedWork, Worked } from '../checks/check-rounds.ts';
import { type TurnFiles, UNTOUCHED } from '../turn-kind.ts';
import type { EndedTurn, TurnCommits } from './turn-commits.ts';
import { changesOfTurn, undoFailedTurn, undoTurn, unrecorded } from './turn-files.ts';

/** After these an agent is stopped, or nobody waits to hear more. What was done is found before the next turn. */
const WITHOUT_AGENT: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'shutting_down',
  'container_lost',
  'out_of_memory',
  'engine_unreachable',
  'engine_failed',
  'workspace_failed',
]);

type FilesAfterOptions = {
  runtime: Pick<ContainerRuntime, 'confines'>;
  agents: AgentManager;
  commits: TurnCommits;
  config: Pick<Config, 'MAX_DIFF_BYTES' | 'MAX_DIFF_TOTAL_BYTES'>;
  log: Logger;
};

/** Finds out what a turn did to the files, and has that recorded, or undone where it might only read. */
export class FilesAfter {
  readonly #options: FilesAfterOptions;
  readonly #bounds: DiffBounds;

  constructor(options: FilesAfterOptions) {
    this.#options = options;
    const { MAX_DIFF_BYTES: file, MAX_DIFF_TOTAL_BYTES: total } = options.config;
    this.#bounds = { file, total };
  }

  /** After a turn that has an answer. */
  ofWork(
    link: AgentLink,
    question: Question,
    before: Checkpoint,
    { answer, checked }: Worked,
  ): Promise<TurnFiles> {
    const { access, threadId } = question;
    if (checked) return this.#recorded(link, question, before, { answer, ...checked });
    if (access === 'write') {
      return this.#changes(link, question, before, answer).catch(unrecorded);
    }
    // Where Codex's own sandbox holds, nothing that a turn started can write.
    return undoTurn(link, before, { threadId, killProcesses: this.#options.runtime.confines });
  }

  /** What a failed turn leaves in the files: nothing if it may only read, and else what it had done. */
  async ofFailure(
    question: Question,
    recording: Promise<Checkpoint>,
    error: unknown,
  ): Promise<TurnFiles> {
    const { agents, log } = this.#options;
    const { access, request } = question;
    const { agentId } = request;
    const before = await recording.catch(() => undefined);
    // No answer of the model got through, so that nothing was done.
    if (!before) return UNTOUCHED;
    if (access === 'read') await undoFailedTurn(agents, agentId, before);
    if (access === 'read' || !leavesAgent(error)) return UNTOUCHED;
    try {
      return await agents.withAgent(agentId, (link) => this.#changes(link, question, before));
    } catch (cause) {
      log.warn({ agentId, err: cause }, 'What a failed turn had done could not be read');
      return UNTOUCHED;
    }
  }

  /** Of work that was checked the commit is what Codex did, without what the last check wrote. */
  async #recorded(
    { workspace }: AgentLink,
    question: Question,
    before: Checkpoint,
    { answer, files, left: after }: CheckedWork & { answer: unknown },
  ): Promise<TurnFiles> {
    if (!after) return files;
    const turn = endedTurn(question, answer);
    const { commits } = this.#options;
    return { ...files, recording: await commits.record(workspace, { before, after }, turn) };
  }

  #changes(
    link: AgentLink,
    question: Question,
    before: Checkpoint,
    answer?: unknown,
  ): Promise<TurnFiles> {
    const { commits } = this.#options;
    const turn = endedTurn(question, answer);
    return changesOfTurn(link, before, {
      bounds: this.#bounds,
      record: (workspace, files) => commits.record(workspace, files, turn),
    });
  }
}

function endedTurn({ turnId, threadId, request, sent }: Question, answer: unknown): EndedTurn {
  return { turnId, threadId, request, answer, again: sent !== undefined };
}

/** Whether an agent is there, or worth starting, to see what a failed turn left. */
function leavesAgent(error: unknown): boolean {
  return error instanceof AppError && !WITHOUT_AGENT.has(error.code);
}
