// Runs the check of a turn where its agent's commands run: `COMMAND TIMEOUT_MS BYTES`. The server
// passes this program along with each check, so that it always fits the server, whatever the image is.
//
// It prints the last BYTES of what the command said, on either stream and in that order; and then on
// standard error one line of JSON: `{exitCode, timedOut, cutBytes}`, the last of what was said before.
// It does not wait for daemons that still hold the output, and kills nothing: what is left of the
// process group ends with this program, and the server sees to the rest.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** What a command wrote last may still be on its way when it ends. */
const DRAIN_MS = 200;
const SIGNALLED = 128;

const [command, timeoutMs, limit] = process.argv.slice(1);
const pipe = makePipe();
const child = spawn('sh', ['-c', 'exec 2>&1; exec sh -c "$1"', 'sh', command], {
  stdio: ['ignore', pipe.in, 'ignore'],
});
fs.closeSync(pipe.in);
const output = new net.Socket({ fd: pipe.out, readable: true, writable: false });

let bytes = 0;
let kept = Buffer.alloc(0);
let fresh = [];
let freshBytes = 0;
let over = false;

/**
 * A pipe as shells make them. What Node gives its children are sockets, and Codex's sandbox keeps
 * programs from asking what a socket is: Node, and so npm, then writes nothing at all.
 */
function makePipe() {
  const name = path.join(os.tmpdir(), `check-${randomUUID()}`);
  try {
    execFileSync('mkfifo', [name], { stdio: 'ignore' });
    const out = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    return { out, in: fs.openSync(name, 'a') };
  } finally {
    fs.rmSync(name, { force: true });
  }
}

function compact() {
  const all = Buffer.concat([kept, ...fresh]);
  // A copy, as a part of a buffer keeps the whole in memory.
  kept = Buffer.from(all.subarray(Math.max(0, all.length - limit)));
  fresh = [];
  freshBytes = 0;
}

/** Not from the middle of a character on. */
function wholeCharacters() {
  if (bytes === kept.length) return kept;
  const start = kept.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return kept.subarray(Math.max(0, start));
}

/** Codex would guess at the encoding of what is no UTF-8. Nothing gets longer by it. */
function readable(buffer) {
  return buffer.toString().replaceAll('\ufffd', '?');
}

function finish(exitCode, timedOut) {
  if (over) return;
  over = true;
  compact();
  const shown = wholeCharacters();
  const report = JSON.stringify({ exitCode, timedOut, cutBytes: bytes - shown.length });
  process.stdout.write(readable(shown), () => process.stderr.write(report, () => process.exit()));
}

output.on('data', (chunk) => {
  if (over) return;
  bytes += chunk.length;
  freshBytes += chunk.length;
  fresh.push(chunk);
  if (freshBytes > limit) compact();
});
child.on('exit', (code, signal) => {
  const status = code ?? SIGNALLED + os.constants.signals[signal];
  output.once('close', () => finish(status, false));
  setTimeout(() => finish(status, false), DRAIN_MS);
});
setTimeout(() => finish(null, true), Number(timeoutMs));
