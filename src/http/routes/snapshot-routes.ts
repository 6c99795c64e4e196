import { finished } from 'node:stream/promises';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CallerBackups } from '../../access/caller-backups.ts';
import type { Principal } from '../../access/principal.ts';
import { AppError } from '../../errors.ts';
import { archiveIn } from '../archive-body.ts';
import { giveUpLate, queryOf, READER_SILENCE_MS } from '../archive-exchange.ts';
import { disconnectSignal } from '../disconnect.ts';
import type { SlowBodies } from '../slow-bodies.ts';

/** What these routes need of the backups. */
export type SnapshotDesk = Pick<CallerBackups, 'download' | 'upload'>;

type OfOne = { Params: { id: string } };

const restoreQuery = z.strictObject({ replace: z.enum(['true', 'false']).default('false') });

/** Snapshots as files, from one server to another. */
export function snapshotRoutes(
  app: FastifyInstance,
  snapshotsOf: (principal: Principal) => SnapshotDesk,
  slowBodies: SlowBodies,
): void {
  app.get<OfOne>('/api/v1/snapshots/:id', async (request, reply) => {
    const { id } = request.params;
    if (!z.uuid().safeParse(id).success) {
      throw new AppError('snapshot_not_found', 'There is no such snapshot.');
    }
    const { backup, file } = await snapshotsOf(request.principal).download(id);
    const { raw } = reply;
    raw.setTimeout(READER_SILENCE_MS, () => raw.destroy());
    void reply
      .type('application/gzip')
      .header('content-length', backup.bytes)
      .header('content-disposition', `attachment; filename="${backup.name}-${id}.tar.gz"`)
      .header('etag', `"${backup.sha256}"`)
      .send(file);
    await finished(raw).catch(() => undefined);
    file.destroy();
    return reply;
  });
  app.post<OfOne>('/api/v1/agents/:id/restore', async (request, reply) => {
    const { replace } = queryOf(restoreQuery, request);
    const { id } = request.params;
    using _patience = slowBodies.expect(request.raw.socket);
    const give = giveUpLate(request);
    try {
      const archive = archiveIn(request.raw, request.headers['content-encoding']);
      const options = { replace: replace === 'true', signal: disconnectSignal(reply) };
      const { files, bytes, hasConversation, leftOut } = await snapshotsOf(
        request.principal,
      ).upload(id, archive, options);
      const restored = { agent_id: id, files, bytes, conversation: hasConversation };
      return await reply.code(201).send({ ...restored, mcp_servers_left_out: leftOut });
    } catch (error) {
      // What was not read is not waited for.
      if (!request.raw.complete) reply.header('connection', 'close');
      throw error;
    } finally {
      give.cancel();
    }
  });
}
