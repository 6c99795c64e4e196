import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { CallerFiles } from '../../callers/caller-files.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import type { DownloadReport } from '../../workspaces/transfers/workspace-files.ts';
import type { SlowBodies } from '../http/slow-bodies.ts';
import {
  beginTransfer,
  queryOf,
  receiveArchive,
  sendArchive,
  type TransferTimes,
} from './archive-exchange.ts';

/** The part of a caller's view that these routes use. */
export type FileDesk = Pick<CallerFiles, 'put' | 'get'>;

export type FileRoutesOptions = {
  files: (principal: Principal) => FileDesk;
  config: TransferTimes;
};

type Files = { Params: { id: AgentName } };

const ROUTE = '/api/v1/agents/:id/files';

const flag = z.enum(['true', 'false']).default('false');
/** Clients accept headers of a few KiB. */
const NAMES_LENGTH = 2000;

const putQuery = z.strictObject({ path: z.string().default(''), replace: flag });
const getQuery = z.strictObject({ path: z.string().default(''), git: flag });

/** The files of a workspace as tar archives. */
export function fileRoutes(
  app: FastifyInstance,
  { files: filesOf, config: times }: FileRoutesOptions,
  slowBodies: SlowBodies,
): void {
  app.put<Files>(ROUTE, async (request, reply) => {
    const { path, replace } = queryOf(putQuery, request);
    const { id } = request.params;
    using _patience = slowBodies.expect(request.raw.socket);
    using transfer = receiveArchive(request, reply, times);
    try {
      const { archive, signal } = transfer;
      const options = { path, replace: replace === 'true', signal };
      const {
        omitted: _,
        skipped,
        ...report
      } = await filesOf(request.principal).put(...([id, archive, options] as const));
      return { agent_id: id, path, ...report, skipped_git_entries: skipped };
    } catch (error) {
      // Closing the connection saves reading the rest of the body.
      if (!request.raw.complete) reply.header('connection', 'close');
      throw error;
    }
  });
  app.get<Files>(ROUTE, async (request, reply) => {
    const { path, git } = queryOf(getQuery, request);
    using transfer = beginTransfer(reply, times);
    const { signal } = transfer;
    await filesOf(request.principal).get(
      request.params.id,
      { path, git: git === 'true', signal },
      (archive, report) => {
        reply.type('application/x-tar');
        tellOmitted(reply, report);
        return sendArchive(reply, Readable.from(archive, { objectMode: false }), signal, times);
      },
    );
    return reply;
  });
}

/** Trailer that lists omitted entries, which are known only at the end. */
function tellOmitted(reply: FastifyReply, report: () => DownloadReport): void {
  reply.trailer('x-omitted', async () => {
    const { omitted, omittedNames } = report();
    return `{"entries":${omitted},"names":[${asAscii(omittedNames)}]}`;
  });
}

/** The first names as JSON, as many as fit into a header. */
function asAscii(names: readonly string[]): string {
  const told = names.map((name) =>
    JSON.stringify(name).replace(/[^ -~]/g, (character) => {
      const code = character.charCodeAt(0).toString(16);
      return `\\u${code.padStart(4, '0')}`;
    }),
  );
  while (told.join().length > NAMES_LENGTH) told.pop();
  return told.join();
}
