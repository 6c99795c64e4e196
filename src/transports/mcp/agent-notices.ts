import type { JSONRPCMessage, Server, Transport } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import {
  agentEventData,
  type EndingTransition,
  type TransitionReason,
} from '../../agents/agent-events.ts';
import type { AgentNotice } from '../../callers/caller-agents.ts';
import { type AgentName, agentNameSchema } from '../../identity/agent-id.ts';

/** Agents remembered per client; the oldest is dropped first. */
const AGENTS_REMEMBERED = 1_000;

type Expiring = Extract<AgentNotice, { type: 'agent_expiring' }>;
type Denied = Extract<AgentNotice, { type: 'egress_denied' }>;

/** The agents of a client. */
export type NoticedAgents = {
  /** Listens to their events. Returns a function that stops. */
  listen(listener: (event: AgentNotice) => void): () => void;
};

type NoticedSession = {
  agents: NoticedAgents;
  defaultAgentName: AgentName;
  /** Called once, however the session ends. */
  onClose: () => void;
  log: Logger;
};

/**
 * Begins a session whose client is told, as a log message, before an agent that it works with is
 * taken, and when it is denied the network: its own one, and those that its calls or their results
 * name.
 */
export async function connectWithNotices(
  server: Server,
  transport: Transport,
  { agents, defaultAgentName, onClose, log }: NoticedSession,
): Promise<void> {
  const known = new Set<AgentName>();
  server.registerCapabilities({ logging: {} });
  const stop = agents.listen((event) => {
    if (event.type !== 'agent_expiring' && event.type !== 'egress_denied') return;
    if (event.agentName !== defaultAgentName && !known.has(event.agentName)) return;
    server
      .sendLoggingMessage(noticeOf(event), transport.sessionId)
      .catch((error: unknown) => log.debug({ err: error }, 'A notice could not be sent'));
  });
  server.onclose = () => {
    stop();
    onClose();
  };
  await server.connect(transport);
  watch(transport, (agentName) => remember(known, agentName));
}

/** The text of a notice. */
function noticeOf(event: Expiring | Denied) {
  const isDenied = event.type === 'egress_denied';
  const isWarning = isDenied || event.transition === 'remove';
  return {
    level: isWarning ? ('warning' as const) : ('notice' as const),
    logger: 'agents',
    data: {
      ...agentEventData(event),
      message: isDenied ? denialOf(event) : sentenceOf(event),
    },
  };
}

function denialOf({ agentName, host, port, howToAllow }: Denied): string {
  return `Agent "${agentName}" was denied the network: ${host} port ${port}. ${howToAllow}`;
}

function sentenceOf({ agentName, transition, inSeconds, reason }: Expiring): string {
  const { deed, loss, afterwards } = STEPS[transition];
  if (reason === 'idle') {
    const time = `in ${inSeconds} s if nobody calls it`;
    return `Agent "${agentName}" is idle and will be ${deed} ${time}: ${loss} Call it or pin it to keep it.`;
  }
  return `Agent "${agentName}" is being ${deed}${REASONS[reason]}: ${loss} ${afterwards}`;
}

const STEPS: Record<EndingTransition, { deed: string; loss: string; afterwards: string }> = {
  stop: {
    deed: 'stopped',
    loss: 'its processes end, its files and its conversation stay.',
    afterwards: 'The next call wakes it; pinned agents keep running.',
  },
  archive: {
    deed: 'archived',
    loss: 'its container goes, its files and its conversation stay.',
    afterwards: 'The next call wakes it; pinned agents keep running.',
  },
  remove: {
    deed: 'removed',
    loss: 'its files and its conversation are deleted.',
    afterwards: 'The next call begins anew.',
  },
};

const REASONS: Record<TransitionReason, string> = {
  idle: '',
  eviction: ' to make room for another agent',
  cleanup: ' by a clean-up',
  halt: '',
  shutdown: ' with the server',
};

/** Watches calls and results for the names of agents. */
function watch(transport: Transport, onAgent: (agentName: unknown) => void): void {
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    onAgent(agentOfCall(message));
    onmessage?.(message, extra);
  };
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    onAgent(agentOfResult(message));
    return send(message, options);
  };
}

function agentOfCall(message: JSONRPCMessage): unknown {
  if (!('method' in message) || message.method !== 'tools/call') return undefined;
  return property(message.params?.arguments, 'agent_id');
}

function agentOfResult(message: JSONRPCMessage): unknown {
  return 'result' in message ? property(message.result.structuredContent, 'agent_id') : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** The names seen last, up to the limit. */
function remember(known: Set<AgentName>, given: unknown): void {
  const { data: agentName } = agentNameSchema.safeParse(given);
  if (agentName === undefined) return;
  known.delete(agentName);
  known.add(agentName);
  const [oldest] = known;
  if (known.size > AGENTS_REMEMBERED && oldest !== undefined) known.delete(oldest);
}
