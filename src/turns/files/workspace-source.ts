import type { HostDirectories } from '../../agents/host/host-directories.ts';
import type { Sources } from '../../agents/sources/sources.ts';
import type { LiveTurn } from '../live-turn.ts';
import type { TurnRecord } from '../turn.ts';

type WorkspaceSourceOptions = {
  sources: Pick<Sources, 'apply'>;
  directories: Pick<HostDirectories, 'attach'>;
};

/** Gives a turn the files that its caller wants it to begin with. A turn that was sent has them. */
export class WorkspaceSource {
  readonly #options: WorkspaceSourceOptions;

  constructor(options: WorkspaceSourceOptions) {
    this.#options = options;
  }

  /** Call before the agent wakes: its container is made with the directory. */
  attach({ agentId, sent, request }: TurnRecord): void {
    const { path } = request.source ?? {};
    if (path !== undefined && !sent) this.#options.directories.attach(agentId, path);
  }

  /** The agent must be awake. Throws what `Sources.apply` throws. */
  async fill(turn: LiveTurn): Promise<void> {
    const { record, deadline, progress } = turn;
    const { agentId, sent, request } = record;
    if (!request.source || request.source.path !== undefined || sent) return;
    progress.report('Filling the workspace');
    const { notes } = await this.#options.sources.apply(agentId, request.source, deadline.signal);
    for (const note of notes) turn.note(note);
    deadline.signal.throwIfAborted();
  }
}
