import type { IncomingMessage, ServerResponse } from 'node:http';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { AgentId } from '../../identity/agent-id.ts';
import { DenialThrottle } from './denial-throttle.ts';
import type { Dialer } from './dialer.ts';
import { EgressConnection } from './egress-connection.ts';
import type { EgressRecord } from './egress-record.ts';
import {
  answerResponse,
  answerSocket,
  EgressRefusal,
  howToAllow,
  REFUSALS,
  type RefusalReason,
  type Refused,
  refusalSentence,
} from './egress-refusal.ts';
import type { EgressRules } from './egress-rules.ts';
import { connectTarget, type EgressTarget, httpTarget } from './egress-target.ts';
import { forwardRequest } from './forward-request.ts';
import { type ConnectionLimits, OpenConnections } from './open-connections.ts';
import { splice } from './splice.ts';

const FORBIDDEN = 403;

/** A denied connection, and how an operator can allow it. */
export type EgressDenial = {
  agentId: AgentId;
  method: string;
  host: string;
  port: number;
  reason: RefusalReason;
  /** A sentence. */
  howToAllow: string;
};

export type EgressProxyOptions = {
  rules: Pick<EgressRules, 'denialReason' | 'onChange'>;
  dialer: Pick<Dialer, 'dial'>;
  limits: ConnectionLimits;
  /** Called when a connection ends or is refused. */
  onRecord: (record: EgressRecord) => void;
  /** Called for denials, at most once a minute for each host of an agent. */
  onDenied: (denial: EgressDenial) => void;
  log: Logger;
};

type Relayed = {
  target: EgressTarget;
  /** The method to record. */
  method: string;
  asked: string;
  response: ServerResponse;
};

/** The forward proxy of agents. It denies every target that no rule allows. */
export class EgressProxy {
  readonly #options: EgressProxyOptions;
  readonly #connections: OpenConnections;
  readonly #denials = new DenialThrottle();

  constructor(options: EgressProxyOptions) {
    this.#options = options;
    this.#connections = new OpenConnections(options.limits, options.onRecord);
    options.rules.onChange((agentId) => this.#cutForbidden(agentId));
  }

  /** Serves CONNECT. */
  async connect(
    agentId: AgentId,
    { request, client, head }: { request: IncomingMessage; client: Duplex; head: Buffer },
  ): Promise<void> {
    const { method = '', url: asked = '' } = request;
    const connection = new EgressConnection({
      agentId,
      method,
      asked,
      target: connectTarget(asked),
    });
    client.on('error', () => client.destroy());
    connection.onCut(() => client.destroy());
    try {
      const upstream = await this.#open(connection, client);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      splice(client, upstream, (reason) => {
        if (reason) connection.fail(reason);
        this.#connections.end(connection);
      });
    } catch (error) {
      answerSocket(client, this.#refuse(connection, error));
    }
  }

  /** Serves a request of plain HTTP in absolute form. */
  async forward(agentId: AgentId, request: IncomingMessage, response: ServerResponse) {
    const { method = '', url: asked = '' } = request;
    const connection = new EgressConnection({
      agentId,
      method,
      asked,
      target: httpTarget(method, asked),
    });
    connection.onCut(() => {
      if (response.headersSent) response.destroy();
    });
    try {
      const upstream = await this.#open(connection, response);
      await forwardRequest({ request, response, upstream });
      this.#connections.end(connection);
    } catch (error) {
      answerResponse(response, this.#refuse(connection, error));
    }
  }

  /**
   * Opens a connection on behalf of an agent by the same rules, for a request that the server answers.
   * Returns why it was refused or failed; `response` is answered with that.
   */
  async relay(
    agentId: AgentId,
    { target, method, asked, response }: Relayed,
    use: (upstream: net.Socket) => Promise<void>,
  ): Promise<Refused | undefined> {
    const connection = new EgressConnection({ agentId, method, asked, target });
    connection.onCut(() => {
      if (response.headersSent) response.destroy();
    });
    try {
      await use(await this.#open(connection, response));
      this.#connections.end(connection);
      return undefined;
    } catch (error) {
      const refused = this.#refuse(connection, error);
      answerResponse(response, refused);
      return refused;
    }
  }

  /** The open connections of an agent, the newest first. */
  openOf(agentId: AgentId): EgressRecord[] {
    const open = this.#connections.of(agentId).map((connection) => connection.record());
    return open.reverse();
  }

  forget(agentId: AgentId): void {
    this.#denials.forget(agentId);
  }

  /** Cuts and records what is open. */
  close(): void {
    this.#connections.close();
  }

  async #open(connection: EgressConnection, client: Duplex | ServerResponse): Promise<net.Socket> {
    const gone = new AbortController();
    client.once('close', () => gone.abort());
    this.#connections.begin(connection);
    const { rules, dialer } = this.#options;
    const { agentId, target } = connection;
    if (!target) throw new EgressRefusal('bad_target');
    const denial = rules.denialReason(agentId, target);
    if (denial) throw new EgressRefusal(denial);
    this.#connections.admit(connection);
    const upstream = await dialer.dial(target, gone.signal);
    upstream.on('error', () => connection.fail('broken'));
    connection.connected(upstream);
    // A rule may have changed while the connection was being opened.
    const forbidden = connection.reason ?? rules.denialReason(agentId, target);
    if (forbidden || gone.signal.aborted) {
      upstream.destroy();
      throw new EgressRefusal(forbidden ?? 'client_gone');
    }
    return upstream;
  }

  /** Ends a failed connection; returns the answer to the client. */
  #refuse(connection: EgressConnection, error: unknown): Refused {
    if (!(error instanceof EgressRefusal)) {
      this.#options.log.debug({ err: error }, 'A connection of an agent broke');
    }
    connection.fail(error instanceof EgressRefusal ? error.reason : 'broken');
    const reason = connection.reason ?? 'broken';
    this.#connections.end(connection);
    const { status } = REFUSALS[reason];
    if (status === FORBIDDEN) this.#reportDenial(connection, reason);
    return { status, sentence: refusalSentence(connection.shown, reason) };
  }

  #reportDenial(connection: EgressConnection, reason: RefusalReason): void {
    const { agentId, method, host, port } = connection.record();
    if (!this.#denials.shouldReport(agentId, host)) return;
    const denial = { agentId, method, host, port, reason };
    this.#options.log.info(denial, 'network access denied');
    this.#options.onDenied({ ...denial, howToAllow: howToAllow(connection.shown, reason) });
  }

  #cutForbidden(agentId: AgentId): void {
    for (const connection of this.#connections.of(agentId)) {
      const { target } = connection;
      const denial = target && this.#options.rules.denialReason(agentId, target);
      if (denial) connection.cut(denial);
    }
  }
}
