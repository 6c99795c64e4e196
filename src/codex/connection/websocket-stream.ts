import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket } from 'ws';

/**
 * Longest message that is read. Codex caps the output of a command at 1 MiB, which JSON may escape to
 * 6 MiB; patches and results of MCP tools have no cap.
 */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Messages buffered for a slow reader before the stream is paused. */
const BUFFERED_MESSAGES = 16;

type WebSocketMessages = {
  messages: Duplex;
  /** Does nothing before the handshake is done. */
  ping: () => void;
};

/**
 * Speaks WebSocket over a connected stream. Each read of `messages` returns one text message; each write
 * sends one, after the handshake. A slow reader pauses `stream`; a slow peer makes writes return false.
 * The end of either stream ends the other. `onActivity` is called for everything that the peer sends.
 */
export function openWebSocket(
  stream: Duplex,
  onActivity: () => void = () => undefined,
): WebSocketMessages {
  const socket = new WebSocket('ws://localhost/', {
    // ws types this as net.createConnection although it takes any duplex.
    createConnection: (() => stream) as unknown as typeof import('node:net').createConnection,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  const messages = createWebSocketStream(socket, {
    readableObjectMode: true,
    readableHighWaterMark: BUFFERED_MESSAGES,
    decodeStrings: false,
  });
  // ws would wait 30 s for the close frame of a broken connection.
  socket.on('error', () => stream.destroy());
  messages.once('close', () => stream.destroy());
  // ws drops the error of a stream, and does not notice one that breaks in the handshake.
  const fail = (error: Error) => messages.destroy(error);
  stream.once('error', fail);
  // The stream of a killed process may end without closing.
  stream.once('end', () => stream.off('error', fail).destroy());
  stream.once('close', () => socket.terminate());
  for (const sign of ['open', 'message', 'pong']) socket.on(sign, onActivity);
  const ping = () => {
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  };
  return { messages, ping };
}
