import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CallerFiles } from '../access/caller-files.ts';
import type { Principal } from '../access/principal.ts';
import { AppError } from '../errors.ts';
import { archiveIn } from './archive-body.ts';
import type { SlowBodies } from './slow-bodies.ts';

/** What these routes need of the workspaces. */
export type FileDesk = Pick<CallerFiles, 'put' | 'get'>;

type Files = { Params: { id: string } };

const ROUTE = '/api/v1/agents/:id/files';
/** A client that sends or takes nothing for so long is let go. */
const SILENCE_MS = 60_000;
/** An upload keeps others from the agent. */
const UPLOAD_MS = 3_600_000;

const flag = z.enum(['true', 'false']).default('false');
const putQuery = z.strictObject({ path: z.string().default(''), replace: flag });
const getQuery = z.strictObject({ path: z.string().default(''), git: flag });

/** The files of a workspace as archives of tar. */
export function fileRoutes(
  app: FastifyInstance,
  filesOf: (principal: Principal) => FileDesk,
  slowBodies: SlowBodies,
): void {
  app.removeAllContentTypeParsers();
  // As it arrives, whatever a client calls it.
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
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
      (archive) => send(reply, archive),
    );
    return reply;
  });
}

async function send(reply: FastifyReply, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const { raw } = reply;
  const stream = Readable.from(archive, { objectMode: false });
  raw.setTimeout(SILENCE_MS, () => raw.destroy());
  void reply.type('application/x-tar').send(stream);
  // However it ends: a reader sees at the end of an archive whether it is whole.
  await finished(raw).catch(() => undefined);
  stream.destroy();
}

function giveUpLate({ raw }: FastifyRequest): { cancel(): void } {
  raw.setTimeout(SILENCE_MS, () => {
    if (!raw.complete) raw.destroy();
  });
  const timer = setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, UPLOAD_MS).unref();
  return { cancel: () => clearTimeout(timer) };
}

function queryOf<T extends z.ZodType>(schema: T, { query }: FastifyRequest): z.output<T> {
  const { data, error } = schema.safeParse(query);
  if (data !== undefined) return data;
  const issues = error?.issues.map(
    ({ path, message }) => `${path.join('.') || 'query'}: ${message}`,
  );
  throw new AppError('invalid_input', `The query is wrong: ${issues?.join('; ')}.`);
}
