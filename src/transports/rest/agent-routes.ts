import type { FastifyInstance, FastifyReply } from 'fastify';
import { agentEventData } from '../../agents/agent-events.ts';
import type { AgentNotice, AgentView, CallerAgents } from '../../callers/caller-agents.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import { agentState } from '../../tools/agent-tools.ts';
import { EventFeed } from '../../turns/events/event-feed.ts';
import { EVENTS_ONLY, type EventStreams, type StreamedEvent } from './event-streams.ts';

export type AgentFeed = Pick<CallerAgents, 'listen' | 'list' | 'get' | 'find'>;

type AgentParams = { Params: { id: AgentName } };

/** Streams of agent events. Each stream starts with the state of the agents. */
export function agentRoutes(
  app: FastifyInstance,
  agentsOf: (principal: Principal) => AgentFeed,
  streams: EventStreams,
): void {
  const send = (reply: FastifyReply, name?: AgentName) =>
    streams.send(reply, (signal) => follow(agentsOf(reply.request.principal), name, signal));
  app.get('/api/v1/agents/events', EVENTS_ONLY, (_request, reply) => send(reply));
  app.get<AgentParams>('/api/v1/agents/:id/events', EVENTS_ONLY, (request, reply) =>
    send(reply, request.params.id),
  );
}

function follow(
  agents: AgentFeed,
  name: AgentName | undefined,
  signal: AbortSignal,
): AsyncIterable<StreamedEvent> {
  const one = name === undefined ? undefined : agents.get(name);
  const known = one ? [one] : agents.list().agents;
  const feed = new EventFeed<StreamedEvent>();
  const stop = agents.listen((event) => {
    if (!one || event.agentName === one.name) feed.push(streamed(event));
  });
  signal.addEventListener('abort', () => feed.end());
  if (signal.aborted) feed.end();
  return stream(known, feed, stop);
}

async function* stream(
  agents: readonly AgentView[],
  feed: AsyncIterable<StreamedEvent>,
  stop: () => void,
): AsyncGenerator<StreamedEvent> {
  try {
    for (const agent of agents) yield { event: 'state', data: agentState(agent) };
    yield* feed;
  } finally {
    stop();
  }
}

function streamed(event: AgentNotice): StreamedEvent {
  return { event: event.type, data: { at: new Date(), ...agentEventData(event) } };
}
