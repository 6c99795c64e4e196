// Runs the check of a turn in the sandbox of its agent's commands: `COMMAND TIMEOUT_MS BYTES`. The server
// passes this program with each check, so that its version is the server's, whatever the image.
//
// It prints the last BYTES of the command's combined output, and on standard error one line of JSON:
// `{exitCode, timedOut, cutBytes}`; cutBytes is the number of bytes not printed. It does not wait for daemons
// that hold the output open, and kills nothing: the process group ends with this program, and the server kills
// all other processes.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** The last output may arrive after the exit of the command. */
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
 * A pipe as of a shell. Node gives its children sockets, which programs cannot inspect in Codex's sandbox:
 * Node, and therefore npm, would write nothing.
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
  // A copy, since a slice keeps the whole buffer in memory.
  kept = Buffer.from(all.subarray(Math.max(0, all.length - limit)));
  fresh = [];
  freshBytes = 0;
}

/** Drops an incomplete first character. */
function wholeCharacters() {
  if (bytes === kept.length) return kept;
  const start = kept.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return kept.subarray(Math.max(0, start));
}

/** Replaces invalid UTF-8, whose encoding Codex would guess. The text does not get longer. */
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
