import type { DiskWatch } from '../agents/disk-watch.ts';
import type { Source } from '../agents/sources/source.ts';
import { assertReplaceable, type Filled, type Sources } from '../agents/sources/sources.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Config } from '../config/config.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { ArchiveReport } from '../workspaces/transfers/archive-rules.ts';
import { transferBounds } from '../workspaces/transfers/transfer-bounds.ts';
import type { DownloadReport, WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { callerPath } from '../workspaces/workspace-path.ts';
import { CallerAudit } from './caller-audit.ts';
import { CallerView } from './caller-view.ts';
import { CallerWorkspaces, type WorkspaceServices } from './caller-workspaces.ts';

export type FileServices = {
  files: WorkspaceFiles;
  sources: Pick<Sources, 'apply'>;
  agents: { readonly disk: DiskWatch };
  audit: AuditLog;
  config: Pick<Config, 'TRANSFER_MAX_BYTES' | 'TRANSFER_MAX_ENTRIES'>;
};

/** Files of one caller's agents as archives of tar. */
export class CallerFiles extends CallerView<FileServices & WorkspaceServices> {
  readonly #workspaces = new CallerWorkspaces(this.services, this.principal);
  readonly #audit = new CallerAudit(this.services, this.principal);

  /**
   * Unpacks an archive into a directory of the workspace, `''` for the whole workspace; creates an
   * agent that does not exist. Throws what `CallerWorkspaces.change` and `WorkspaceFiles.put` throw, or
   * the reason of a signal that aborts before the archive has arrived.
   */
  async put(
    name: AgentName,
    archive: AsyncIterable<Uint8Array>,
    { path, replace, signal }: { path: string; replace: boolean; signal: AbortSignal },
  ): Promise<ArchiveReport> {
    const { files, agents } = this.services;
    const { disk } = agents;
    const base = callerPath(path);
    this.#audit.assertWritable();
    return this.#audit.call('put_files', name, () =>
      this.#workspaces.change(name, async (_link, agent) => {
        const { agentId } = agent;
        if (replace) assertReplaceable(agent);
        const bounds = transferBounds({ disk, config: this.services.config }, agentId);
        try {
          return await files.put(agentId, archive, { bounds, base, replace, git: 'skip', signal });
        } finally {
          disk.turnEnded(agentId);
        }
      }),
    );
  }

  /**
   * Wakes an agent, or creates it, and fills its workspace; returns whether this call filled it.
   * Throws what `CallerWorkspaces.change` and `Sources.apply` throw.
   */
  async begin(
    name: AgentName,
    { source, signal }: { source: Source | undefined; signal: AbortSignal },
  ): Promise<Filled> {
    this.#audit.assertWritable();
    return this.#audit.call('begin_agent', name, () =>
      this.#workspaces.change(
        name,
        async (_link, { agentId }) =>
          source
            ? this.services.sources.apply(agentId, source, signal)
            : { filled: false, notes: [] },
        source?.path,
      ),
    );
  }

  /**
   * Calls `send` with the archive of a file or a directory once its first bytes have arrived. `report`
   * tells what was in the archive, and throws before the archive was read to its end. The agent stays
   * awake until `send` returns. Throws what `CallerWorkspaces.read` throws, `path_not_found`, and the
   * reason of a signal that aborts before the first bytes.
   */
  async get(
    name: AgentName,
    { path, git, signal }: { path: string; git: boolean; signal: AbortSignal },
    send: (archive: AsyncIterable<Uint8Array>, report: () => DownloadReport) => Promise<void>,
  ): Promise<void> {
    const { files, config } = this.services;
    const base = callerPath(path);
    const bounds = { bytes: config.TRANSFER_MAX_BYTES, entries: config.TRANSFER_MAX_ENTRIES };
    await this.#audit.call('get_files', name, () =>
      this.#workspaces.read(name, async (_link, { agentId }) => {
        const archive = files.get(agentId, { bounds, base, git, signal });
        const first = await archive.next();
        let report: DownloadReport | undefined;
        const whole = rejoined(first, archive, (given) => {
          report = given;
        });
        await send(whole, () => {
          if (report) return report;
          throw new Error('The archive was not read to its end.');
        });
        return undefined;
      }),
    );
  }
}

async function* rejoined(
  first: IteratorResult<Uint8Array, DownloadReport>,
  rest: AsyncGenerator<Uint8Array, DownloadReport>,
  tell: (report: DownloadReport) => void,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.done) return tell(first.value);
    yield first.value;
    tell(yield* rest);
  } finally {
    await rest.return(undefined as never);
  }
}
