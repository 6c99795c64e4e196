import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CallerTurns, TurnView } from '../../callers/caller-turns.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { EVENTS_ONLY, type EventStreams, type StreamedEvent } from './event-streams.ts';

export type TurnFeed = Pick<CallerTurns, 'get' | 'follow'>;

type TurnParams = { Params: { id: string } };

const lastEventId = z.coerce.number().int().min(0);

/** Turns for clients without MCP, and the stream of the events of each. */
export function turnRoutes(
  app: FastifyInstance,
  turnsOf: (principal: Principal) => TurnFeed,
  streams: EventStreams,
): void {
  app.get<TurnParams>('/api/v1/turns/:id', ({ params, principal }) =>
    describe(turnsOf(principal).get(params.id)),
  );
  app.get<TurnParams>('/api/v1/turns/:id/events', EVENTS_ONLY, async (request, reply) => {
    const { id } = request.params;
    const turns = turnsOf(request.principal);
    turns.get(id);
    const after = parseLastEventId(reply.sse.lastEventId);
    await streams.send(reply, (signal) => tell(turns, id, { after, signal }));
  });
}

async function* tell(
  turns: TurnFeed,
  id: string,
  options: { after: number; signal: AbortSignal },
): AsyncGenerator<StreamedEvent> {
  for await (const { seq, at, event } of turns.follow(id, options)) {
    const { type, ...data } = event;
    yield { id: String(seq), event: type, data: { at, ...data } };
  }
  // A reader that was too slow does not get the end event, and returns with the number that it has.
  const turn = turns.get(id);
  if (turn.endedAt) yield { event: 'end', data: describe(turn) };
}

function parseLastEventId(given: string | null): number {
  if (given === null) return 0;
  const { data } = lastEventId.safeParse(given);
  if (data !== undefined) return data;
  throw new AppError('invalid_input', 'Last-Event-ID is not the number of an event.');
}

function describe(turn: TurnView) {
  return {
    turn_id: turn.turnId,
    agent_id: turn.agentName,
    tool: turn.tool,
    state: turn.state,
    created_at: turn.createdAt,
    ended_at: turn.endedAt ?? null,
    result: turn.result ?? null,
    error: turn.error ?? null,
    usage: turn.usage ?? null,
  };
}
