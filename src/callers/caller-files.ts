import type { DiskWatch } from '../agents/disk-watch.ts';
import type { Source } from '../agents/sources/source.ts';
import { assertReplaceable, type Filled, type Sources } from '../agents/sources/sources.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { witnessCall } from '../audit/call-record.ts';
import type { Config } from '../config/config.ts';
import type { Principal } from '../identity/principal.ts';
import type { ArchiveReport } from '../workspaces/transfers/archive-rules.ts';
import { transferBounds } from '../workspaces/transfers/transfer-bounds.ts';
import type { DownloadReport, WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { callerPath } from '../workspaces/workspace-path.ts';
import type { CallerWorkspaces } from './caller-workspaces.ts';

export type TransferServices = {
  files: WorkspaceFiles;
  sources: Pick<Sources, 'apply'>;
  disk: DiskWatch;
  audit: AuditLog;
  config: Pick<Config, 'TRANSFER_MAX_BYTES' | 'TRANSFER_MAX_ENTRIES'>;
};

/** Archives into and out of the workspaces of one caller's agents. */
export class CallerFiles {
  readonly #services: TransferServices;
  readonly #workspaces: CallerWorkspaces;
  readonly #principal: Principal;

  constructor(services: TransferServices, workspaces: CallerWorkspaces, principal: Principal) {
    this.#services = services;
    this.#workspaces = workspaces;
    this.#principal = principal;
  }

  /**
   * Unpacks an archive of tar into a directory of the workspace, `''` for all of it; begins the agent
   * if it is not there. Throws what `CallerWorkspaces.change` and `WorkspaceFiles.put` throw, or why
   * the signal was aborted before all had arrived.
   */
  async put(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    { path, replace, signal }: { path: string; replace: boolean; signal: AbortSignal },
  ): Promise<ArchiveReport> {
    const { files, disk, audit } = this.#services;
    const base = callerPath(path);
    audit.assertWritable();
    return this.#witness('put_files', name, () =>
      this.#workspaces.change(name, async (_link, agent) => {
        const { agentId } = agent;
        if (replace) assertReplaceable(agent);
        const bounds = transferBounds(this.#services, agentId);
        try {
          return await files.put(agentId, archive, { bounds, base, replace, git: 'skip', signal });
        } finally {
          disk.turnEnded(agentId);
        }
      }),
    );
  }

  /**
   * Begins an agent, or wakes it, and fills its workspace; answers whether it was filled now, and with notes. Throws
   * what `CallerWorkspaces.change` and `Sources.apply` throw.
   */
  async begin(
    name: string,
    { source, signal }: { source: Source | undefined; signal: AbortSignal },
  ): Promise<Filled> {
    this.#services.audit.assertWritable();
    return this.#witness('begin_agent', name, () =>
      this.#workspaces.change(
        name,
        async (_link, { agentId }) =>
          source
            ? this.#services.sources.apply(agentId, source, signal)
            : { filled: false, notes: [] },
        source?.path,
      ),
    );
  }

  /**
   * Hands a file or a directory to `send` as an archive of tar, once its first bytes are there, and what
   * was in it once it was read to its end; the
   * agent stays awake until `send` is done. Throws what `CallerWorkspaces.read` throws, `path_not_found`, and
   * why the signal was aborted before there was anything to send.
   */
  async get(
    name: string,
    { path, git, signal }: { path: string; git: boolean; signal: AbortSignal },
    send: (archive: AsyncIterable<Uint8Array>, report: () => DownloadReport) => Promise<void>,
  ): Promise<void> {
    const { files, config } = this.#services;
    const base = callerPath(path);
    const bounds = { bytes: config.TRANSFER_MAX_BYTES, entries: config.TRANSFER_MAX_ENTRIES };
    await this.#witness('get_files', name, () =>
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

  #witness<T extends object | undefined>(
    tool: string,
    agentId: string,
    work: () => Promise<T>,
  ): Promise<T> {
    return witnessCall(this.#services.audit, { tool, principal: this.#principal, agentId }, work);
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
