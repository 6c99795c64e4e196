import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ChainLink } from './audit-record.ts';

const HEAD_FILE = 'audit.head';

const headSchema = z.object({ seq: z.int().min(0), hash: z.hex().length(64) });

/**
 * The last record of the chain, in a file of its own: without it a removed tail is not noticed. It may
 * lag behind the chain, but is never ahead. Undefined if there is no file. Throws if it is invalid.
 */
export function readHead(directory: string): ChainLink | undefined {
  const file = path.join(directory, HEAD_FILE);
  if (!fs.existsSync(file)) return undefined;
  return headSchema.parse(JSON.parse(fs.readFileSync(file, 'utf8')));
}

/** Durable when it returns. Throws errors of the file system. */
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
