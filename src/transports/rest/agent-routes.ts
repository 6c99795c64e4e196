import type { FastifyInstance, FastifyReply } from 'fastify';
import { type AgentEvent, agentEventData } from '../../agents/agent-events.ts';
import type { Principal } from '../../identity/principal.ts';
import { EventFeed } from '../../turns/events/event-feed.ts';
import { EVENTS_ONLY, type EventStreams, type StreamedEvent } from './event-streams.ts';

/** What these routes need of the agents. */
export type AgentFeed = {
  /** Hears what happens to them; call what is returned to stop. */
  listen(listener: (event: AgentEvent) => void): () => void;
  /** How agents are now, and how long: all, or one. Throws `agent_not_found`. */
  outlooks(name?: string): readonly object[];
};

type AgentParams = { Params: { id: string } };

/** What happens to agents, as it happens; each stream begins with how they are. */
export function agentRoutes(
  app: FastifyInstance,
  agentsOf: (principal: Principal) => AgentFeed,
  streams: EventStreams,
): void {
  const send = (reply: FastifyReply, agentId?: string) =>
    streams.send(reply, (signal) => follow(agentsOf(reply.request.principal), agentId, signal));
  app.get('/api/v1/agents/events', EVENTS_ONLY, (_request, reply) => send(reply));
  app.get<AgentParams>('/api/v1/agents/:id/events', EVENTS_ONLY, (request, reply) =>
    send(reply, request.params.id),
  );
}

function follow(
  { listen, outlooks }: AgentFeed,
  agentId: string | undefined,
  signal: AbortSignal,
): AsyncIterable<StreamedEvent> {
  const known = outlooks(agentId);
  const feed = new EventFeed<StreamedEvent>();
  const stop = listen((event) => {
    if (agentId === undefined || event.agentId === agentId) feed.push(streamed(event));
  });
  signal.addEventListener('abort', () => feed.end());
  if (signal.aborted) feed.end();
  return stream(known, feed, stop);
}

async function* stream(
  outlooks: readonly object[],
  feed: AsyncIterable<StreamedEvent>,
  stop: () => void,
): AsyncGenerator<StreamedEvent> {
  try {
    for (const data of outlooks) yield { event: 'state', data };
    yield* feed;
  } finally {
    stop();
  }
}

function streamed(event: AgentEvent): StreamedEvent {
  return { event: event.type, data: { at: new Date(), ...agentEventData(event) } };
}
