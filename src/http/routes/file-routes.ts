import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CallerFiles } from '../../access/caller-files.ts';
import type { Principal } from '../../access/principal.ts';
import { archiveIn } from '../archive-body.ts';
import { giveUpLate, queryOf, sendArchive } from '../archive-exchange.ts';
import type { SlowBodies } from '../slow-bodies.ts';

/** What these routes need of the workspaces. */
export type FileDesk = Pick<CallerFiles, 'put' | 'get'>;

type Files = { Params: { id: string } };

const ROUTE = '/api/v1/agents/:id/files';

const flag = z.enum(['true', 'false']).default('false');
const putQuery = z.strictObject({ path: z.string().default(''), replace: flag });
const getQuery = z.strictObject({ path: z.string().default(''), git: flag });

/** The files of a workspace as archives of tar. */
export function fileRoutes(
  app: FastifyInstance,
  filesOf: (principal: Principal) => FileDesk,
  slowBodies: SlowBodies,
): void {
  app.put<Files>(ROUTE, async (request, reply) => {
    const { path, replace } = queryOf(putQuery, request);
    const { id } = request.params;
    using _patience = slowBodies.expect(request.raw.socket);
    const give = giveUpLate(request);
    try {
      const archive = archiveIn(request.raw, request.headers['content-encoding']);
      const options = { path, replace: replace === 'true' };
      const {
        omitted: _,
        skipped,
        ...report
      } = await filesOf(request.principal).put(...([id, archive, options] as const));
      return { agent_id: id, path, ...report, skipped_git_entries: skipped };
    } catch (error) {
      // What was not read is not waited for.
      if (!request.raw.complete) reply.header('connection', 'close');
      throw error;
    } finally {
      give.cancel();
    }
  });
  app.get<Files>(ROUTE, async (request, reply) => {
    const { path, git } = queryOf(getQuery, request);
    await filesOf(request.principal).get(
      request.params.id,
      { path, git: git === 'true' },
      (archive) => sendArchive(reply, archive),
    );
    return reply;
  });
}
