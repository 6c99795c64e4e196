/** One HTTP/1.1 answer as it stood on the wire. */
export type RawAnswer = {
  status: number;
  headers: Map<string, string>;
  body: string;
  /** False for one whose body was still coming, such as a stream of events. */
  isComplete: boolean;
};

const HEAD = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r\n)*)\r\n/;

/** Reads the answers in what a server sent. Throws for bytes that are no valid HTTP/1.1. */
export function readAnswers(bytes: Buffer, { isHead = false } = {}): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes.toString('latin1');
  while (rest !== '') {
    // More of the last one may come.
    if (rest.startsWith('HTTP/1.1 ') && !rest.includes('\r\n\r\n')) break;
    const head = headOf(rest);
    rest = rest.slice(head[0].length);
    const status = Number(head[1]);
    const headers = headersOf(head[2] ?? '');
    const isBare =
      status < 200 || [204, 304].includes(status) || (isHead && !isOfParser(headers, rest));
    const { text, taken, isComplete } = isBare ? NO_BODY : bodyOf(headers, rest);
    if (status >= 200) answers.push({ status, headers, body: text, isComplete });
    rest = rest.slice(taken);
  }
  return answers;
}

/** A HEAD that cannot be read is not known to be one: its refusal has a body, and is the last answer. */
function isOfParser(headers: Map<string, string>, rest: string): boolean {
  return rest !== '' && headers.get('connection') === 'close';
}

function headOf(text: string): RegExpExecArray {
  const head = HEAD.exec(text);
  if (head) return head;
  throw new Error(`This is no HTTP answer: ${JSON.stringify(text.slice(0, 300))}`);
}

type Body = { text: string; taken: number; isComplete: boolean };

const NO_BODY: Body = { text: '', taken: 0, isComplete: true };

function headersOf(lines: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines.split('\r\n').filter(Boolean)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (/^(content-length|transfer-encoding|content-type)$/.test(name) && headers.has(name)) {
      throw new Error(`The answer has ${name} twice.`);
    }
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

function bodyOf(headers: Map<string, string>, rest: string): Body {
  if (headers.get('transfer-encoding') === 'chunked') return chunkedBody(rest);
  const length = headers.get('content-length');
  if (length === undefined) return { text: rest, taken: rest.length, isComplete: true };
  const text = rest.slice(0, Number(length));
  return { text, taken: text.length, isComplete: text.length === Number(length) };
}

function chunkedBody(rest: string): Body {
  let text = '';
  let at = 0;
  while (at < rest.length) {
    const [line, hex = ''] = /^([0-9a-f]+)\r\n/i.exec(rest.slice(at, at + 20)) ?? [];
    if (line === undefined) break;
    const start = at + line.length;
    const end = start + Number.parseInt(hex, 16);
    text += rest.slice(start, end);
    if (!'\r\n'.startsWith(rest.slice(end, end + 2))) throw new Error('A chunk is too long.');
    at = end + 2;
    if (start === end) return { text, taken: at, isComplete: at <= rest.length };
  }
  if (rest.length - at > 18) throw new Error(`This is no chunk: ${rest.slice(at, at + 30)}`);
  return { text, taken: rest.length, isComplete: false };
}
