// Carries connections to 127.0.0.1:8211 to the server as HTTP/2 streams over standard input and
// output, the only way out of a container that has no network: `tunnel.mjs [SECONDS]`.
// When the server is gone, new connections are kept for so long, until the tunnel of the next server
// asks for the port. They are cut then, and Codex comes again at once. After that, or without SECONDS,
// this program ends: connections are refused, which Codex waits out, but it looks again only after 5,
// 10, 20 seconds and more. It gives up on a gateway that answers 5xx.
import fs from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';

// Buffers live outside the heap and go when the young generation is collected: kept small, that is
// often, and 13 MB are spared after much traffic. Its size itself can only be set before Node starts.
v8.setFlagsFromString('--semi-space-growth-factor=1');

const HOST = '127.0.0.1';
// biome-ignore lint/style/noProcessEnv: a program of its own, with this one setting.
const ownPort = process.env.CODEX_GATEWAY_PORT;
const PORT = Number(ownPort ?? 8211);
const KEPT_MS = Number(process.argv[2] ?? 0) * 1000;
/** What a tunnel says that wants the port; Codex says something else. */
const HAND_OVER = 'hand over\n';
/** The tunnel of a server that died may hold the port until it notices. */
const PORT_PATIENCE_MS = 10_000;
const PORT_RETRY_MS = 250;
/** One whose engine was killed never notices, as its standard input does not end. */
const UNHEARD_MS = 1_000;
const HAND_OVER_MS = 10;
/** What may be on its way to a reader of one connection. */
const WINDOW_BYTES = 1024 * 1024;
const FRAME_BYTES = 64 * 1024;
const SESSION_MEMORY_MEGABYTES = 256;
/** Far more than Codex opens at a time; connections beyond it are closed at once. */
const MAX_CONNECTIONS = 256;

function connect() {
  // process.stdout writes to a pipe synchronously, so that a slow server would stop everything.
  const input = new net.Socket({ fd: 0, readable: true, writable: false });
  const output = new net.Socket({ fd: 1, readable: false, writable: true });
  const stdio = Duplex.from({ readable: input, writable: output });
  const session = http2.connect('http://gateway', {
    createConnection: () => stdio,
    settings: { initialWindowSize: WINDOW_BYTES, maxFrameSize: FRAME_BYTES, enablePush: false },
    maxSessionMemory: SESSION_MEMORY_MEGABYTES,
  });
  input.on('end', loseServer);
  input.on('close', () => endUnlessLost(0));
  session.on('error', (error) => endUnlessLost(1, error.message));
  session.on('close', () => endUnlessLost(0));
  return session;
}

function loseServer() {
  if (!server.listening || KEPT_MS === 0) return;
  isLost = true;
  process.stderr.write('waiting for the next server\n');
  setTimeout(() => exit(0), KEPT_MS);
}

/** A server that is still there opens another tunnel. */
function endUnlessLost(status, reason) {
  if (!isLost) exit(status, reason);
}

/** Lets a connection wait for the next server. */
function keep(connection) {
  kept.add(connection);
  connection.on('error', () => undefined);
  connection.on('close', () => kept.delete(connection));
  connection.once('data', (begin) => {
    if (String(begin) === HAND_OVER) handOver();
    else connection.pause();
  });
}

function handOver() {
  for (const connection of kept) connection.resetAndDestroy();
  exit(0);
}

function carry(session, connection) {
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'gateway' });
  // A stream that was cut must not look like one that ended.
  stream.on('aborted', () => connection.resetAndDestroy());
  stream.on('error', () => connection.resetAndDestroy());
  stream.on('close', () => connection.destroySoon());
  connection.on('error', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  connection.on('close', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  connection.setNoDelay(true);
  connection.pipe(stream).pipe(connection);
}

function listen(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(PORT, HOST, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function listenPatiently(server) {
  const began = performance.now();
  for (;;) {
    try {
      return await listen(server);
    } catch (error) {
      const waited = performance.now() - began;
      if (error.code !== 'EADDRINUSE' || waited > PORT_PATIENCE_MS) throw error;
      if (waited > UNHEARD_MS) endOtherTunnels();
      await Promise.race([askForPort(), sleep(PORT_RETRY_MS)]);
      await sleep(HAND_OVER_MS);
    }
  }
}

/** Resolves when the tunnel before this one has ended, or does not know what is asked. */
function askForPort() {
  return new Promise((resolve) => {
    const connection = net.connect(PORT, HOST, () => connection.end(HAND_OVER));
    connection.on('error', () => undefined);
    connection.on('close', resolve);
    connection.resume();
  });
}

/** A container has one server, and that one tunnel: the others are of the past. */
function endOtherTunnels() {
  // With a port of its own it is not in a container: the others may be those of other agents.
  if (ownPort !== undefined) return;
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, program] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (program === process.argv[1] && Number(pid) !== process.pid)
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself, or is none of ours.
    }
  }
}

function exit(status, reason) {
  if (reason) process.stderr.write(`tunnel: ${reason}\n`);
  process.exit(status);
}

// Whoever reads what is said there may be gone.
process.stderr.on('error', () => undefined);

const kept = new Set();
let isLost = false;
const server = net.createServer({ allowHalfOpen: true }, (connection) =>
  isLost ? keep(connection) : carry(session, connection),
);
server.maxConnections = MAX_CONNECTIONS;
const session = connect();
// Only a server that speaks has sent its settings; until then connections had better be refused.
session.once('remoteSettings', async () => {
  try {
    await listenPatiently(server);
    process.stderr.write('listening\n');
  } catch (error) {
    exit(1, error.code === 'EADDRINUSE' ? `port ${PORT} is taken` : error.message);
  }
});
