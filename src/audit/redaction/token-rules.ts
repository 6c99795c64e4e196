import { rules } from '@secretlint/secretlint-rule-preset-recommend';
import type { Finding } from './finding.ts';

/** What of a rule of secretlint is used; it is the same for all of the preset. */
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
/** Comments that switch rules off are for authors of files; a password in a URL leaves the rest of it. */
const LEFT_OUT = new Set(['filter-comments', 'basicauth']);
const OPTIONS: Readonly<Record<string, object>> = { aws: { enableIDScanRule: true } };

/** No token is in shorter words. */
const LONG_WORD = /\S{16}/;

/**
 * Tokens whose form their issuers publish, by the recommended rules of secretlint. Those report
 * before they return, for text: no promise has to be waited for.
 */
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
