const QUOTED_ESCAPES: Record<string, string> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '"': '"', '\\': '\\' },
};

/** Decodes a path that git prints: unusual ones are quoted as in C, with UTF-8 bytes in octal. */
export function unquotePath(printed: string): string {
  if (!printed.startsWith('"')) return printed;
  const bytes: Buffer[] = [];
  for (const [token, octal, escaped] of printed
    .slice(1, -1)
    .matchAll(/\\(?:([0-7]{3})|(.))|[^\\]+/g)) {
    if (octal) bytes.push(Buffer.from([Number.parseInt(octal, 8)]));
    else bytes.push(Buffer.from(escaped ? (QUOTED_ESCAPES[escaped] ?? escaped) : token));
  }
  return Buffer.concat(bytes).toString();
}
