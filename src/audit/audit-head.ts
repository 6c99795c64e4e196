import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ChainLink } from './audit-record.ts';

const HEAD_FILE = 'audit.head';

const headSchema = z.object({ seq: z.int().min(0), hash: z.hex().length(64) });

/**
 * The last record of the chain, kept beside it: a chain whose tail was cut off is whole in itself.
 * It may lag behind the chain, and never runs ahead of it. Undefined if there is none. Throws if
 * the file says nothing of the kind.
 */
export function readHead(directory: string): ChainLink | undefined {
  const file = path.join(directory, HEAD_FILE);
  if (!fs.existsSync(file)) return undefined;
  return headSchema.parse(JSON.parse(fs.readFileSync(file, 'utf8')));
}

/** Durable when it returns. Throws what the file system says. */
export function writeHead(directory: string, { seq, hash }: ChainLink): void {
  const file = path.join(directory, HEAD_FILE);
  const draft = `${file}.new`;
  const descriptor = fs.openSync(draft, 'w', 0o600);
  try {
    fs.writeSync(descriptor, `${JSON.stringify({ seq, hash, at: new Date().toISOString() })}\n`);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(draft, file);
}
