import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CallerSnapshots } from '../../callers/caller-snapshots.ts';
import { AppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import type { SlowBodies } from '../http/slow-bodies.ts';
import {
  beginTransfer,
  queryOf,
  receiveArchive,
  sendArchive,
  type TransferTimes,
} from './archive-exchange.ts';

export type SnapshotDesk = Pick<CallerSnapshots, 'download' | 'upload'>;

export type SnapshotRoutesOptions = {
  snapshots: (principal: Principal) => SnapshotDesk;
  config: TransferTimes;
};

type OfOne = { Params: { id: string } };

const restoreQuery = z.strictObject({ replace: z.enum(['true', 'false']).default('false') });

/** Download and upload of snapshots as files. */
export function snapshotRoutes(
  app: FastifyInstance,
  { snapshots: snapshotsOf, config: times }: SnapshotRoutesOptions,
  slowBodies: SlowBodies,
): void {
  app.get<OfOne>('/api/v1/snapshots/:id', async (request, reply) => {
    const { id } = request.params;
    if (!z.uuid().safeParse(id).success) {
      throw new AppError('snapshot_not_found', 'There is no such snapshot.');
    }
    const { snapshot, file } = await snapshotsOf(request.principal).download(id);
    using transfer = beginTransfer(reply, times);
    reply
      .type('application/gzip')
      .header('content-length', snapshot.bytes)
      .header(
        'content-disposition',
        `attachment; filename="${snapshot.agent.split('@')[0]}-${id}.tar.gz"`,
      )
      .header('etag', `"${snapshot.sha256}"`);
    await sendArchive(reply, file, transfer.signal, times);
    return reply;
  });
  app.post<{ Params: { id: AgentName } }>('/api/v1/agents/:id/restore', async (request, reply) => {
    const { replace } = queryOf(restoreQuery, request);
    const { id } = request.params;
    using _patience = slowBodies.expect(request.raw.socket);
    using transfer = receiveArchive(request, reply, times);
    try {
      const { archive, signal } = transfer;
      const options = { replace: replace === 'true', signal };
      const { files, bytes, hasConversation, leftOut } = await snapshotsOf(
        request.principal,
      ).upload(id, archive, options);
      const restored = { agent_id: id, files, bytes, conversation: hasConversation };
      return await reply.code(201).send({ ...restored, mcp_servers_left_out: leftOut });
    } catch (error) {
      // Closing the connection saves reading the rest of the body.
      if (!request.raw.complete) reply.header('connection', 'close');
      throw error;
    }
  });
}
