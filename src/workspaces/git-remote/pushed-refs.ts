const HEAD_DIGITS = 4;
const MAX_REFS = 20;
const COMMAND = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([^\0\n]+)/;

/** Ref updates such as `refs/heads/main 1234567..89abcde`, up to 20, in the first chunk of a push. */
export function pushedRefs(head: Buffer): string[] {
  const refs: string[] = [];
  for (let at = 0; refs.length < MAX_REFS; ) {
    const length = Number.parseInt(head.toString('latin1', at, at + HEAD_DIGITS), 16);
    if (!(length > HEAD_DIGITS) || at + length > head.length) break;
    const [, from, to, ref] =
      COMMAND.exec(head.toString('utf8', at + HEAD_DIGITS, at + length)) ?? [];
    if (from && to && ref) refs.push(`${ref} ${from.slice(0, 12)}..${to.slice(0, 12)}`);
    at += length;
  }
  return refs;
}
