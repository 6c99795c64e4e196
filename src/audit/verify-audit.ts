import type { AuditReader } from './audit-reader.ts';
import { type ChainedRecord, type ChainLink, hashOf } from './audit-record.ts';

export type AuditProblem = {
  /** The first record that is wrong or missing. */
  seq: number;
  kind: 'missing' | 'changed' | 'unlinked' | 'tail_missing' | 'anchor_unsigned' | 'gap';
  message: string;
};

export type AuditVerdict = {
  ok: boolean;
  records: number;
  /** Retention removed the records up to this one; 0: none. */
  prunedThrough: number;
  last: ChainLink;
  problem?: AuditProblem;
};

/**
 * Verifies the whole chain. `heads` are known ends, from `audit.head` or a log; without one a removed
 * tail is not found.
 */
export function verifyAudit(reader: AuditReader, heads: readonly ChainLink[]): AuditVerdict {
  const anchor = reader.anchor();
  const walk = new ChainVerifier(anchor, heads);
  for (const record of reader.records()) {
    if (!walk.take(record)) break;
  }
  const problem = walk.problem ?? walk.problemAtEnd();
  const { last, records } = walk;
  return { ok: !problem, records, prunedThrough: anchor.seq, last, ...(problem && { problem }) };
}

class ChainVerifier {
  readonly #anchor: ChainLink;
  readonly #heads: readonly ChainLink[];
  #signed: boolean;
  #gap: AuditProblem | undefined;
  last: ChainLink;
  records = 0;
  problem: AuditProblem | undefined;

  constructor(anchor: ChainLink, heads: readonly ChainLink[]) {
    this.#anchor = anchor;
    this.#heads = heads;
    this.#signed = anchor.seq === 0;
    this.last = anchor;
  }

  /** Returns whether the chain is valid up to this record. */
  take(record: ChainedRecord): boolean {
    this.problem = this.#findProblem(record);
    if (this.problem) return false;
    this.last = { seq: record.seq, hash: record.hash };
    this.records += 1;
    this.#note(record);
    return true;
  }

  /** Problems that only the end of the chain shows. */
  problemAtEnd(): AuditProblem | undefined {
    const { seq } = this.last;
    const missing = this.#heads.find((head) => head.seq > seq);
    if (missing) {
      const message = `The records ${seq + 1} to ${missing.seq} are missing at the end.`;
      return { seq: seq + 1, kind: 'tail_missing', message };
    }
    if (!this.#signed) {
      const message = `The records up to ${this.#anchor.seq} are gone, and no record says that retention removed them.`;
      return { seq: this.#anchor.seq + 1, kind: 'anchor_unsigned', message };
    }
    return this.#gap;
  }

  #findProblem({ seq, hash, text }: ChainedRecord): AuditProblem | undefined {
    const expected = this.last.seq + 1;
    if (seq !== expected) {
      const message = `The records ${expected} to ${seq - 1} are missing.`;
      return { seq: expected, kind: 'missing', message };
    }
    if (hashOf(text) !== hash) {
      return { seq, kind: 'changed', message: `Record ${seq} does not match its hash.` };
    }
    const fields = parsed(text);
    if (fields?.seq !== seq || fields.prevHash !== this.last.hash) {
      return { seq, kind: 'unlinked', message: `Record ${seq} does not follow the one before it.` };
    }
    if (this.#heads.some((head) => head.seq === seq && head.hash !== hash)) {
      return {
        seq,
        kind: 'changed',
        message: `Record ${seq} has another hash than the known head.`,
      };
    }
    return undefined;
  }

  #note({ seq, text }: ChainedRecord): void {
    const fields = parsed(text);
    const { seq: anchorSeq, hash: anchorHash } = this.#anchor;
    if (fields?.type === 'audit_pruned') {
      const { throughSeq, throughHash } = fields.data ?? {};
      if (throughSeq === anchorSeq && throughHash === anchorHash) this.#signed = true;
    }
    if (fields?.type !== 'audit_gap') return;
    const message = `When the server started, it found that records before ${seq} were missing.`;
    this.#gap ??= { seq, kind: 'gap', message };
  }
}

type Fields = { seq?: unknown; prevHash?: unknown; type?: unknown; data?: Record<string, unknown> };

function parsed(text: string): Fields | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
