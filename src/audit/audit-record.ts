import { createHash } from 'node:crypto';
import { LOCAL } from '../identity/principal.ts';
import type { AuditEntry } from './audit-log.ts';
import { canonicalJson } from './canonical-json.ts';

/** The place of a record in the chain: everything before it is in its hash. */
export type ChainLink = { seq: number; hash: string };

/** What comes before the first record of all. */
export const BEGINNING: ChainLink = { seq: 0, hash: '0'.repeat(64) };

/** A record as it is kept: `hash` is the SHA-256 of `text`, which is the canonical JSON of the rest. */
export type ChainedRecord = ChainLink & { text: string };

/** The record of an entry that follows `last`; its data must be redacted and bounded already. */
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
