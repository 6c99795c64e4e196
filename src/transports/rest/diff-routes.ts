import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CallerChanges } from '../../callers/changes/caller-changes.ts';
import type { Selection } from '../../callers/changes/selection.ts';
import { checkedInput } from '../../checked-input.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import type { Toolbox } from '../../tools/toolbox.ts';

/** A reader that reads nothing for this long, or a silent git, is cut off. */
const PATIENCE_MS = 60_000;
/** No HEAD, which would make the whole diff. */
const WITHOUT_HEAD = { exposeHeadRoute: false };

type Id = { Params: { id: string } };
type AgentParams = { Params: { id: AgentName } };

export type DiffFeed = Pick<CallerChanges, 'patch'>;

const turnId = z.string().min(1).max(100).optional();
const rangeQuery = z.strictObject({ from: turnId, to: turnId });

/** The changes of turns as one patch of any length for `git apply`. */
export function diffRoutes(
  app: FastifyInstance,
  { changes, toolbox }: { changes: (principal: Principal) => DiffFeed; toolbox: Toolbox },
): void {
  const send = ({ principal }: FastifyRequest, reply: FastifyReply, selection: Selection) =>
    toolbox.hold(() => changes(principal).patch(selection, (pieces) => sendPieces(reply, pieces)));
  app.get<Id>('/api/v1/turns/:id/diff', WITHOUT_HEAD, async (request, reply) => {
    await send(request, reply, { turn: request.params.id });
    return reply;
  });
  app.get<AgentParams>('/api/v1/agents/:id/diff', WITHOUT_HEAD, async (request, reply) => {
    const range = checkedInput(rangeQuery, request.query, 'The query');
    await send(request, reply, { agent: request.params.id, ...range });
    return reply;
  });
}

/** A failure before the first piece is a normal error; a later one cuts the connection. */
async function sendPieces(reply: FastifyReply, pieces: AsyncIterable<Buffer>): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first = await iterator.next();
  reply.raw.setTimeout(PATIENCE_MS, () => reply.raw.destroy());
  reply.type('text/x-diff; charset=utf-8').send(Readable.from(joined(first, iterator)));
  await finished(reply.raw).catch(() => undefined);
}

async function* joined(
  first: IteratorResult<Buffer>,
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    for (let piece = first; !piece.done; piece = await rest.next()) yield piece.value;
  } finally {
    await rest.return?.();
  }
}
