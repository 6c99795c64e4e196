import type { Logger } from 'pino';
import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressRecord } from './egress-record.ts';
import type { EgressStore } from './egress-store.ts';

/** Each write waits for the disk, so connections share one. */
const WRITE_MS = 1_000;
const MOST_UNWRITTEN = 500;
/** Records that are kept in memory while writes fail; older ones are dropped. */
const MOST_HELD = 10_000;

/** Keeps the last connections of each agent. A crash of the server loses those of the last second. */
export class EgressLog {
  readonly #store: EgressStore;
  readonly #kept: number;
  readonly #log: Logger;
  #unwritten: EgressRecord[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `kept`: records of each agent. */
  constructor({ store, kept, log }: { store: EgressStore; kept: number; log: Logger }) {
    this.#store = store;
    this.#kept = kept;
    this.#log = log;
  }

  add(record: EgressRecord): void {
    this.#unwritten.push(record);
    if (this.#unwritten.length % MOST_UNWRITTEN === 0) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), WRITE_MS).unref();
  }

  /** The newest first. */
  list(agentId: AgentId, limit: number): EgressRecord[] {
    this.#write();
    return this.#store.records(agentId, limit);
  }

  close(): void {
    this.#write();
    clearTimeout(this.#timer);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.length === 0) return;
    try {
      this.#store.append(this.#unwritten, this.#kept);
      this.#unwritten = [];
    } catch (error) {
      this.#log.error({ err: error }, 'Egress records could not be written; retrying');
      this.#unwritten = this.#unwritten.slice(-MOST_HELD);
      this.#timer = setTimeout(() => this.#write(), WRITE_MS).unref();
    }
  }
}
