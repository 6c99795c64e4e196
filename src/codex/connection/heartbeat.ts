/** So many questions in a row have no answer before the other side counts as silent: our own delay is none of its. */
const QUESTIONS = 3;

type HeartbeatOptions = {
  silenceMs: number;
  /** Whether anything is expected of the other side; who sleeps need not answer. */
  isAwaited: () => boolean;
  ping: () => void;
  onSilent: (reason: CodexSilent) => void;
};

/** Codex did not give a sign of life for so long that it is not worth waiting for. */
export class CodexSilent extends Error {
  override readonly name = 'CodexSilent';
}

/** Whether something failed because Codex gave no sign of life. */
export function isSilence(error: unknown): error is Error & { cause: CodexSilent } {
  return error instanceof Error && error.cause instanceof CodexSilent;
}

/** Asks an app-server that is needed whether it is there: one that was frozen never breaks its connections. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  #unanswered = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.silenceMs / QUESTIONS).unref();
  }

  /** Something came from the other side, whatever it was. */
  readonly heard = (): void => {
    this.#unanswered = 0;
  };

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const { isAwaited, ping, onSilent, silenceMs } = this.#options;
    if (!isAwaited()) {
      this.#unanswered = 0;
    } else if (this.#unanswered === QUESTIONS) {
      this.stop();
      onSilent(new CodexSilent(`Codex did not answer for ${silenceMs / 1000} s.`));
    } else {
      this.#unanswered += 1;
      ping();
    }
  }
}
