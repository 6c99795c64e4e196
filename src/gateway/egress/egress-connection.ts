import type net from 'node:net';
import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressRecord } from './egress-record.ts';
import { REFUSALS, type RefusalReason } from './egress-refusal.ts';
import { type EgressTarget, shownTarget } from './egress-target.ts';

const LONGEST_ASKED = 255;

type Request = {
  agentId: AgentId;
  method: string;
  /** The requested target as the client sent it. */
  asked: string;
  target: EgressTarget | undefined;
};

/** One connection of an agent, from its request to its close. */
export class EgressConnection {
  readonly agentId: AgentId;
  readonly target: EgressTarget | undefined;
  readonly #method: string;
  readonly #asked: string;
  readonly #startedAt = new Date();
  readonly #began = performance.now();
  #upstream: net.Socket | undefined;
  #address: string | undefined;
  #reason: RefusalReason | undefined;
  #cutClient: () => void = () => undefined;
  #moved = 0;
  #movedAt = performance.now();

  constructor({ agentId, method, asked, target }: Request) {
    this.agentId = agentId;
    this.target = target;
    this.#method = method;
    this.#asked = asked.slice(0, LONGEST_ASKED);
  }

  /** The target as messages show it. */
  get shown(): string {
    return this.target ? shownTarget(this.target) : this.#asked;
  }

  /** Why the connection failed or was cut. */
  get reason(): RefusalReason | undefined {
    return this.#reason;
  }

  get idleMs(): number {
    return performance.now() - this.#movedAt;
  }

  connected(upstream: net.Socket): void {
    this.#upstream = upstream;
    this.#address = upstream.remoteAddress;
    this.#movedAt = performance.now();
  }

  /** Sets how the connection to the client in the container is closed. */
  onCut(cutClient: () => void): void {
    this.#cutClient = cutClient;
  }

  /** Sets the reason of a failure; the first reason wins. */
  fail(reason: RefusalReason): void {
    this.#reason ??= reason;
  }

  cut(reason: RefusalReason): void {
    this.fail(reason);
    this.#upstream?.destroy();
    this.#cutClient();
  }

  /** Bytes since the last call. */
  takeMovedBytes(): number {
    const { bytesUp, bytesDown } = this.#bytes();
    const moved = bytesUp + bytesDown - this.#moved;
    if (moved > 0) this.#movedAt = performance.now();
    this.#moved += moved;
    return moved;
  }

  record(): EgressRecord {
    const reason = this.#reason;
    const refused = reason && !this.#address ? REFUSALS[reason].verdict : 'allowed';
    return {
      agentId: this.agentId,
      startedAt: this.#startedAt,
      durationMs: Math.round(performance.now() - this.#began),
      method: this.#method,
      host: this.target?.host ?? this.#asked,
      port: this.target?.port ?? 0,
      ...(this.#address && { address: this.#address }),
      ...this.#bytes(),
      verdict: refused,
      ...(reason && { reason }),
    };
  }

  #bytes() {
    return {
      bytesUp: this.#upstream?.bytesWritten ?? 0,
      bytesDown: this.#upstream?.bytesRead ?? 0,
    };
  }
}
