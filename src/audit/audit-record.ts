import { createHash } from 'node:crypto';
import { LOCAL } from '../identity/principal.ts';
import type { AuditEntry } from './audit-log.ts';
import { canonicalJson } from './canonical-json.ts';

/** The position of a record in the chain. Its hash covers all records before it. */
export type ChainLink = { seq: number; hash: string };

/** The position before the first record. */
export const BEGINNING: ChainLink = { seq: 0, hash: '0'.repeat(64) };

/** A stored record. `hash` is the SHA-256 of `text`, the canonical JSON of the record. */
export type ChainedRecord = ChainLink & { text: string };

/** The record of an entry after `last`. Its data must be redacted and bounded. */
export function chain(last: ChainLink, at: Date, entry: AuditEntry): ChainedRecord {
  const { principal = LOCAL, type, data, cost, tokens } = entry;
  const seq = last.seq + 1;
  const text = canonicalJson({
    seq,
    at: at.toISOString(),
    type,
    principal: principal.id,
    tenant: principal.tenant,
    agentId: entry.agentId,
    sessionId: entry.sessionId,
    turnId: entry.turnId,
    correlationId: entry.correlationId,
    ...{ tokens, cost, data },
    prevHash: last.hash,
  });
  return { seq, text, hash: hashOf(text) };
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
