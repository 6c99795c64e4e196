import { isCardNumber } from './card-number.ts';
import type { Finding } from './finding.ts';

/**
 * A form of secrets of any issuer. Every quantifier is bounded, or runs over characters in which no
 * second match can begin, so that a search takes linear time.
 */
type Pattern = {
  kind: string;
  /** A part of every match; texts without it are not searched. */
  hint?: string;
  /** Its last group is the secret, if it has groups. */
  regex: RegExp;
  accepts?(secret: string, match: RegExpMatchArray): boolean;
};

const LEAST_ENTROPY = 3;
/** Least length of an assigned value; shorter values of names other than passwords are mostly code. */
const LEAST_PASSWORD = 8;
const LEAST_SECRET = 16;

const PATTERNS: readonly Pattern[] = [
  {
    kind: 'PRIVATE_KEY',
    hint: '-----BEGIN ',
    regex:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
  },
  {
    kind: 'JWT',
    hint: '.eyJ',
    regex: /(?<![\w-])eyJ[\w-]{8,8192}\.eyJ[\w-]{8,8192}(?:\.[\w-]{0,4096})?/g,
  },
  {
    kind: 'BEARER',
    regex: /\bbearer[ \t]{1,8}([\w.~+/=-]{16,8192})/gi,
    accepts: hasDigit,
  },
  {
    kind: 'BASIC_AUTH',
    regex: /\bauthorization["']?:[ \t]{0,8}basic[ \t]{1,8}([\w+/=-]{4,8192})/gi,
  },
  {
    kind: 'URL_PASSWORD',
    hint: '://',
    regex: /(?<![a-z])[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/'"<>\\]{0,256}:([^\s@/'"<>\\]{1,256})@/gi,
    accepts: isNoPlaceholder,
  },
  {
    kind: 'ASSIGNED_SECRET',
    regex:
      /(?:api[_-]?key|secret|passw(?:or)?d|passphrase|token|credential)([\w-]{0,20})\\?["'`]?[ \t]{0,4}(?::=|=>|[:=])[ \t]{0,4}\\?["'`]?([^\s"'`<>{}()[\],;\\]{8,256})/gi,
    accepts: isAssigned,
  },
  {
    kind: 'CARD_NUMBER',
    regex: /(?<![\w.-])[2-6]\d{3}(?:[ -]?\d){10,15}(?![\w-])/g,
    accepts: isCardNumber,
  },
];

const EMAIL: Pattern = {
  kind: 'EMAIL',
  hint: '@',
  regex: /(?<![\w.+-])[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,6}\.[a-z]{2,24}\b/gi,
};

/** Shorter than any match; and characters that every match has. */
const LEAST_CHARACTERS = 12;
const IN_ANY_MATCH = /[:=@.-]|\d/;

export function findPatterns(text: string, { emails }: { emails: boolean }): Finding[] {
  if (text.length < LEAST_CHARACTERS || !IN_ANY_MATCH.test(text)) return [];
  const patterns = emails ? [...PATTERNS, EMAIL] : PATTERNS;
  return [...patterns.flatMap((pattern) => findAll(text, pattern)), ...findKeyTails(text)];
}

function findAll(text: string, { kind, hint, regex, accepts }: Pattern): Finding[] {
  if (hint !== undefined && !text.includes(hint)) return [];
  const found: Finding[] = [];
  for (const match of text.matchAll(regex)) {
    const secret = match.at(-1) ?? match[0];
    if (accepts && !accepts(secret, match)) continue;
    const end = match.index + match[0].length;
    const start = match.index + match[0].lastIndexOf(secret);
    found.push({ start, end: match.length > 1 ? start + secret.length : end, kind });
  }
  return found;
}

/** Finds the end of a private key whose beginning was cut off. */
function findKeyTails(text: string): Finding[] {
  const found: Finding[] = [];
  for (const match of text.matchAll(/-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g)) {
    let start = match.index;
    while (start > 0 && /[\w+/=\s\\]/.test(text.charAt(start - 1))) start -= 1;
    found.push({ start, end: match.index + match[0].length, kind: 'PRIVATE_KEY' });
  }
  return found;
}

function hasDigit(secret: string): boolean {
  return /\d/.test(secret);
}

function isNoPlaceholder(secret: string): boolean {
  return !/^[$<{*%[]|^x+$/i.test(secret);
}

/** Whether the value that is assigned to the name of a secret is not code, a type or a word. */
function isAssigned(secret: string, match: RegExpMatchArray): boolean {
  const [, restOfName = ''] = match;
  // `tokenizer`, `secretary`, but not `tokens` and `tokenValue`
  if (/^(?!s(?![a-z]))[a-z]/.test(restOfName)) return false;
  const least = /^pass/i.test(match[0]) ? LEAST_PASSWORD : LEAST_SECRET;
  if (secret.length < least) return false;
  if (!isNoPlaceholder(secret) || /^(?:process|env|config|import|this|os)\./.test(secret))
    return false;
  return /\d/.test(secret) && /[a-z]/i.test(secret) && entropyOf(secret) >= LEAST_ENTROPY;
}

/** Shannon entropy in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) {
    bits -= (count / text.length) * Math.log2(count / text.length);
  }
  return bits;
}
