import type { FastifyReply } from 'fastify';
import { drained } from '../../concurrency/drained.ts';
import type { GitService } from '../../workspaces/git-remote/git-service.ts';
import { FLUSH, packet } from './packet-line.ts';

const NEWEST_PROTOCOL = 'version 2';

/** The answer to a git client. Its head is sent with the first piece, so an earlier failure can still set the status. */
export class GitAnswer {
  readonly #reply: FastifyReply;
  readonly #service: GitService;
  readonly #kind: 'advertisement' | 'result';

  constructor(reply: FastifyReply, service: GitService, kind: 'advertisement' | 'result') {
    this.#reply = reply;
    this.#service = service;
    this.#kind = kind;
  }

  get begun(): boolean {
    return this.#reply.sent;
  }

  /** Resolves when the response takes more. Throws if the client disconnects or `over` is aborted first. */
  async send(chunk: Buffer, over: AbortSignal): Promise<void> {
    if (!this.begun) this.#begin(chunk);
    const { raw } = this.#reply;
    if (raw.write(chunk)) return;
    await drained(raw, over);
    if (raw.destroyed) throw new Error('The git client has gone.');
  }

  end(): void {
    if (!this.begun) this.#begin(Buffer.alloc(0));
    this.#reply.raw.end();
  }

  #begin(first: Buffer): void {
    const reply = this.#reply;
    reply.hijack();
    reply.type(`application/x-${this.#service}-${this.#kind}`).header('cache-control', 'no-cache');
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.raw.writeHead(200);
    if (this.#kind === 'result' || first.toString('latin1', 4).startsWith(NEWEST_PROTOCOL)) return;
    // Protocols 0 and 1 require this line, which tells a git server from a plain file server.
    reply.raw.write(Buffer.concat([packet(`# service=${this.#service}\n`), FLUSH]));
  }
}
