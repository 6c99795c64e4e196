import { type Finding, redactFindings } from './finding.ts';
import { findPatterns } from './patterns.ts';
import { TokenRules } from './token-rules.ts';

/** Shorter texts are not searched: no rule matches them. */
const LEAST_CHARACTERS = 8;
/** Deepest level of JSON; deeper values are redacted whole. */
const DEPTH = 32;
const SECRET_NAMES =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|password|passwd|passphrase|(?:x-)?api[-_]?key|(?:[a-z]+[-_])?(?:secret|token)|private[-_]?key|client[-_]?secret)$/i;
const WHOLE = '[redacted]';

/** Redacts secrets in texts and JSON. Never throws. */
export class Redactor {
  readonly #known = new Set<string>();
  readonly #tokens = new TokenRules();
  readonly #emails: boolean;

  constructor({ emails = false }: { emails?: boolean } = {}) {
    this.#emails = emails;
  }

  /** Redacts this value from now on, URL-encoded too. Ignores values that are too short. */
  addSecret(secret: string | undefined): void {
    if (secret === undefined || secret.length < LEAST_CHARACTERS) return;
    this.#known.add(secret).add(encodeURIComponent(secret));
  }

  /** Replaces each secret by its kind, such as `[redacted JWT]`. */
  text(text: string): string {
    if (text.length < LEAST_CHARACTERS) return text;
    const found = [
      ...this.#findKnown(text),
      ...findPatterns(text, { emails: this.#emails }),
      ...this.#tokens.find(text),
    ];
    return redactFindings(text, found);
  }

  /** Redacts each text of JSON; whole if its name is that of a secret. */
  json<T>(value: T): T {
    return this.#within(value, 0) as T;
  }

  #within(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    if (depth >= DEPTH) return WHOLE;
    if (Array.isArray(value)) return value.map((entry) => this.#within(entry, depth + 1));
    const entries = Object.entries(value).map(([name, entry]) => {
      const isSecret = typeof entry === 'string' && entry !== '' && SECRET_NAMES.test(name);
      return [this.text(name), isSecret ? WHOLE : this.#within(entry, depth + 1)];
    });
    return Object.fromEntries(entries);
  }

  #findKnown(text: string): Finding[] {
    const found: Finding[] = [];
    for (const secret of this.#known) {
      for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + secret.length)) {
        found.push({ start: at, end: at + secret.length, kind: 'KNOWN_SECRET' });
      }
    }
    return found;
  }
}
