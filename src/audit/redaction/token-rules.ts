import { rules } from '@secretlint/secretlint-rule-preset-recommend';
import type { Finding } from './finding.ts';

/** The used part of a rule of secretlint. */
type Rule = {
  meta: { id: string };
  create(context: RuleContext, options: object): { file?(source: RuleSource): unknown };
};
type RuleContext = {
  createTranslator(): (id: string) => { messageId: string };
  report(found: { range: readonly [number, number]; message: { messageId: string } }): void;
  ignore(): void;
  sharedOptions: object;
};
type RuleSource = { content: string; filePath: string; ext: string; contentType: 'text' };

const PREFIX = '@secretlint/secretlint-rule-';
/** Comments must not disable rules here; and our own pattern redacts only the password of a URL. */
const LEFT_OUT = new Set(['filter-comments', 'basicauth']);
const OPTIONS: Readonly<Record<string, object>> = { aws: { enableIDScanRule: true } };

/** No token is shorter. */
const LONG_WORD = /\S{16}/;

/** Finds tokens of known issuers by the recommended rules of secretlint, which report text synchronously. */
export class TokenRules {
  readonly #scanners: readonly ReturnType<Rule['create']>[];
  #found: Finding[] = [];

  constructor() {
    const context: RuleContext = {
      createTranslator: () => (messageId) => ({ messageId }),
      report: ({ range: [start, end], message }) => {
        this.#found.push({ start, end, kind: message.messageId });
      },
      ignore() {},
      sharedOptions: {},
    };
    this.#scanners = (rules as readonly Rule[])
      .map((rule) => ({ rule, name: rule.meta.id.slice(PREFIX.length) }))
      .filter(({ name }) => !LEFT_OUT.has(name))
      .map(({ rule, name }) => rule.create(context, OPTIONS[name] ?? {}));
  }

  find(text: string): readonly Finding[] {
    if (!LONG_WORD.test(text)) return [];
    this.#found = [];
    const source = { content: text, filePath: 'text', ext: '', contentType: 'text' } as const;
    for (const scanner of this.#scanners) scanner.file?.(source);
    return this.#found;
  }
}
