/** Unanswered pings before the peer counts as silent; several, so that a delay of this process is no reason. */
const MAX_UNANSWERED = 3;

type HeartbeatOptions = {
  silenceMs: number;
  /** Whether an answer is due; an idle peer is not pinged. */
  isNeeded: () => boolean;
  ping: () => void;
  onSilent: (reason: CodexSilent) => void;
};

export class CodexSilent extends Error {
  override readonly name = 'CodexSilent';
}

/** Whether {@link CodexSilent} caused an error. */
export function isSilence(error: unknown): error is Error & { cause: CodexSilent } {
  return error instanceof Error && error.cause instanceof CodexSilent;
}

/** Pings an app-server that is needed: a frozen one never closes its connections. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  #unanswered = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.silenceMs / MAX_UNANSWERED).unref();
  }

  /** To be called for everything that the peer sends. */
  readonly reset = (): void => {
    this.#unanswered = 0;
  };

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const { isNeeded, ping, onSilent, silenceMs } = this.#options;
    if (!isNeeded()) {
      this.#unanswered = 0;
    } else if (this.#unanswered === MAX_UNANSWERED) {
      this.stop();
      onSilent(new CodexSilent(`Codex did not answer for ${silenceMs / 1000} s.`));
    } else {
      this.#unanswered += 1;
      ping();
    }
  }
}
