import fs from 'node:fs';

const WARN = 40;

/** What the servers logged: the steps that they took agents, and what they complained of. */
export class ServerLog {
  readonly steps = new Map<string, number>();
  readonly complaints = new Map<string, number>();
  readonly #file: number | undefined;
  readonly #onOther: (line: string) => void;

  /**
   * @param onOther hears lines that are no JSON, which a log must not have
   * @param file where every line is kept, if anywhere
   */
  constructor(onOther: (line: string) => void, file: string | undefined) {
    this.#onOther = onOther;
    this.#file = file === undefined ? undefined : fs.openSync(file, 'w');
  }

  readonly add = (line: string): void => {
    if (this.#file !== undefined) fs.writeSync(this.#file, `${line}\n`);
    const entry = parse(line);
    if (entry) this.#addEntry(entry);
    else this.#onOther(line);
  };

  #addEntry({ level, msg, transition, err }: Entry): void {
    if (msg === 'Applied a transition to an agent') count(this.steps, transition ?? '');
    if (level >= WARN) count(this.complaints, err?.code ? `${msg} (${err.code})` : msg);
  }
}

type Entry = { level: number; msg: string; transition?: string; err?: { code?: string } };

function parse(line: string): Entry | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
