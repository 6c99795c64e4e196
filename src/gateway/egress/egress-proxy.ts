import type { IncomingMessage, ServerResponse } from 'node:http';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { DenialNotices } from './denial-throttle.ts';
import type { Dialler } from './dialler.ts';
import { Passage } from './egress-connection.ts';
import type { EgressRecord } from './egress-record.ts';
import {
  EgressRefusal,
  howToAllow,
  REFUSALS,
  type RefusalReason,
  refusalSentence,
} from './egress-refusal.ts';
import type { EgressRules } from './egress-rules.ts';
import { connectTarget, type EgressTarget, httpTarget } from './egress-target.ts';
import { forwardRequest } from './forward-request.ts';
import { type PassageLimits, Passages } from './open-connections.ts';
import { answerResponse, answerSocket } from './refusal-answer.ts';
import { splice } from './splice.ts';

const FORBIDDEN = 403;

/** An attempt that was denied, of which somebody may want to know who can allow it. */
export type EgressDenial = {
  agentId: string;
  method: string;
  host: string;
  port: number;
  reason: RefusalReason;
  /** A sentence. */
  howToAllow: string;
};

export type EgressProxyOptions = {
  rules: Pick<EgressRules, 'objection' | 'onChange'>;
  dialler: Pick<Dialler, 'dial'>;
  limits: PassageLimits;
  /** Hears of each connection when it has ended, or was refused. */
  onRecord: (record: EgressRecord) => void;
  /** Hears of denials, of each host at most once a minute. */
  onDenied: (denial: EgressDenial) => void;
  log: Logger;
};

type Relayed = {
  target: EgressTarget;
  /** As it is recorded. */
  method: string;
  asked: string;
  response: ServerResponse;
};

/** The way of agents to anything but the model: nowhere, unless a rule allows it. */
export class EgressProxy {
  readonly #options: EgressProxyOptions;
  readonly #passages: Passages;
  readonly #notices = new DenialNotices();

  constructor(options: EgressProxyOptions) {
    this.#options = options;
    this.#passages = new Passages(options.limits, options.onRecord);
    options.rules.onChange((agentId) => this.#cutForbidden(agentId));
  }

  /** Serves CONNECT. */
  async connect(
    agentId: string,
    { request, client, head }: { request: IncomingMessage; client: Duplex; head: Buffer },
  ): Promise<void> {
    const { method = '', url: asked = '' } = request;
    const passage = new Passage({ agentId, method, asked, target: connectTarget(asked) });
    client.on('error', () => client.destroy());
    passage.onCut(() => client.destroy());
    try {
      const upstream = await this.#open(passage, client);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      splice(client, upstream, (reason) => {
        if (reason) passage.fail(reason);
        this.#passages.end(passage);
      });
    } catch (error) {
      answerSocket(client, this.#refuse(passage, error));
    }
  }

  /** Serves a request of plain HTTP in absolute form. */
  async forward(agentId: string, request: IncomingMessage, response: ServerResponse) {
    const { method = '', url: asked = '' } = request;
    const passage = new Passage({ agentId, method, asked, target: httpTarget(method, asked) });
    passage.onCut(() => {
      if (response.headersSent) response.destroy();
    });
    try {
      const upstream = await this.#open(passage, response);
      await forwardRequest({ request, response, upstream });
      this.#passages.end(passage);
    } catch (error) {
      answerResponse(response, this.#refuse(passage, error));
    }
  }

  /**
   * Makes a connection for a request that the server itself answers for an agent, by the same rules,
   * and counts it as the agent's. Answers how it was refused or broke, which `response` tells then.
   */
  async relay(
    agentId: string,
    { target, method, asked, response }: Relayed,
    use: (upstream: net.Socket) => Promise<void>,
  ): Promise<{ status: number; sentence: string } | undefined> {
    const passage = new Passage({ agentId, method, asked, target });
    passage.onCut(() => {
      if (response.headersSent) response.destroy();
    });
    try {
      await use(await this.#open(passage, response));
      this.#passages.end(passage);
      return undefined;
    } catch (error) {
      const refused = this.#refuse(passage, error);
      answerResponse(response, refused);
      return refused;
    }
  }

  /** The connections of an agent that are open, as they are now, the newest first. */
  openOf(agentId: string): EgressRecord[] {
    const open = this.#passages.of(agentId).map((passage) => passage.record());
    return open.reverse();
  }

  /** Nothing of an agent that was locked out is kept. */
  forget(agentId: string): void {
    this.#notices.forget(agentId);
  }

  /** Cuts and records what is open. */
  close(): void {
    this.#passages.close();
  }

  async #open(passage: Passage, client: Duplex | ServerResponse): Promise<net.Socket> {
    const gone = new AbortController();
    client.once('close', () => gone.abort());
    this.#passages.begin(passage);
    const { target } = passage;
    if (!target) throw new EgressRefusal('bad_target');
    const objection = this.#options.rules.objection(passage.agentId, target);
    if (objection) throw new EgressRefusal(objection);
    this.#passages.admit(passage);
    const upstream = await this.#options.dialler.dial(target, gone.signal);
    upstream.on('error', () => passage.fail('broken'));
    passage.connected(upstream);
    // Until now there was nothing that could have been cut.
    const forbidden = passage.reason ?? this.#options.rules.objection(passage.agentId, target);
    if (forbidden || gone.signal.aborted) {
      upstream.destroy();
      throw new EgressRefusal(forbidden ?? 'client_gone');
    }
    return upstream;
  }

  /** Ends a passage that failed; answers what to tell who asked for it. */
  #refuse(passage: Passage, error: unknown): { status: number; sentence: string } {
    if (!(error instanceof EgressRefusal)) {
      this.#options.log.debug({ err: error }, 'A connection of an agent broke');
    }
    passage.fail(error instanceof EgressRefusal ? error.reason : 'broken');
    const reason = passage.reason ?? 'broken';
    this.#passages.end(passage);
    const { status } = REFUSALS[reason];
    if (status === FORBIDDEN) this.#tell(passage, reason);
    return { status, sentence: refusalSentence(passage.shown, reason) };
  }

  #tell(passage: Passage, reason: RefusalReason): void {
    const { agentId, method, host, port } = passage.record();
    if (!this.#notices.isDue(agentId, host)) return;
    const denial = { agentId, method, host, port, reason };
    this.#options.log.info(denial, 'network access denied');
    this.#options.onDenied({ ...denial, howToAllow: howToAllow(passage.shown, reason) });
  }

  #cutForbidden(agentId: string): void {
    for (const passage of this.#passages.of(agentId)) {
      const objection = passage.target && this.#options.rules.objection(agentId, passage.target);
      if (objection) passage.cut(objection);
    }
  }
}
