import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { APPROVAL_STATES } from '../../approvals/approval.ts';
import { approvalData, verdictInput } from '../../approvals/approval-data.ts';
import type { ApprovalNotice, CallerApprovals } from '../../callers/caller-approvals.ts';
import { checkedInput } from '../../checked-input.ts';
import { agentNameSchema } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import { EventFeed } from '../../turns/events/event-feed.ts';
import type { EventStreams, StreamedEvent } from './event-streams.ts';

const DEFAULT_LIMIT = 100;
const LARGEST_LIMIT = 1000;
/** Maximum of pending approvals that a stream starts with. */
const SHOWN_AT_START = 500;

export type ApprovalDesk = Pick<
  CallerApprovals,
  'mayDecide' | 'get' | 'list' | 'decide' | 'listen'
>;

type ApprovalParams = { Params: { id: string } };

const listQuery = z.strictObject({
  state: z.enum(APPROVAL_STATES).optional(),
  agent_id: agentNameSchema.optional(),
  limit: z.coerce.number().int().min(1).max(LARGEST_LIMIT).default(DEFAULT_LIMIT),
});
const verdictBody = z.strictObject(verdictInput);

/** Approvals for clients without MCP. The stream starts with the pending ones. */
export function approvalRoutes(
  app: FastifyInstance,
  desk: (principal: Principal) => ApprovalDesk,
  streams: EventStreams,
): void {
  const url = '/api/v1/approvals';
  app.get(url, ({ query, principal }) => {
    const { agent_id: agent, ...more } = checkedInput(listQuery, query, 'The query');
    return {
      approvals: desk(principal)
        .list({ agent, ...more })
        .map(approvalData),
    };
  });
  app.get<ApprovalParams>(`${url}/:id`, ({ params, principal }) =>
    approvalData(desk(principal).get(params.id)),
  );
  app.post<ApprovalParams>(`${url}/:id`, ({ params, body, principal }) =>
    approvalData(desk(principal).decide(params.id, checkedInput(verdictBody, body, 'The body'))),
  );
  app.get(`${url}/events`, { sse: 'only' }, ({ principal }, reply) =>
    streams.send(reply, (signal) => follow(desk(principal), signal)),
  );
}

function follow(approvals: ApprovalDesk, signal: AbortSignal): AsyncIterable<StreamedEvent> {
  const feed = new EventFeed<StreamedEvent>();
  const stop = approvals.listen((event) => feed.push(streamed(event)));
  for (const approval of approvals.list({ state: 'pending', limit: SHOWN_AT_START }).reverse()) {
    feed.push(streamed({ type: 'approval_requested', approval }));
  }
  signal.addEventListener('abort', () => feed.end());
  if (signal.aborted) feed.end();
  return untilEnd(feed, stop);
}

async function* untilEnd(
  feed: AsyncIterable<StreamedEvent>,
  stop: () => void,
): AsyncGenerator<StreamedEvent> {
  try {
    yield* feed;
  } finally {
    stop();
  }
}

function streamed({ type, approval }: ApprovalNotice): StreamedEvent {
  return { event: type, data: approvalData(approval) };
}
