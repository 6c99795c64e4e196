import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket } from 'ws';

/**
 * Longest message that is taken. Codex caps the output of a command at 1 MiB, which JSON may
 * escape to six times that; patches and results of MCP tools have no cap of their own.
 */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Messages held for a reader that is slow, before the peer has to wait. */
const MESSAGES_AHEAD = 16;

type WebSocketMessages = {
  messages: Duplex;
  /** Has the peer say that it is there, once the handshake is done. */
  ping: () => void;
};

/**
 * Speaks WebSocket over a stream that is connected already. Reads of `messages` give one text message each, each
 * write sends one. A slow reader pauses `stream`; a slow peer makes writes return false. Messages
 * written before the handshake is done wait for it. Whichever of the two streams dies takes the
 * other with it. Whatever the peer sends is told to `onHeard`.
 */
export function openWebSocket(
  stream: Duplex,
  onHeard: () => void = () => undefined,
): WebSocketMessages {
  const socket = new WebSocket('ws://localhost/', {
    // ws types this as net.createConnection although it takes any duplex.
    createConnection: (() => stream) as unknown as typeof import('node:net').createConnection,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  const messages = createWebSocketStream(socket, {
    readableObjectMode: true,
    readableHighWaterMark: MESSAGES_AHEAD,
    decodeStrings: false,
  });
  // ws would hold a broken connection open for 30 s, waiting for the peer's close frame.
  socket.on('error', () => stream.destroy());
  messages.once('close', () => stream.destroy());
  // ws forgets why a stream broke, and does not notice one that dies in the handshake.
  const fail = (error: Error) => messages.destroy(error);
  stream.once('error', fail);
  // A stream may end and yet never close, as that of a killed process sometimes does.
  stream.once('end', () => stream.off('error', fail).destroy());
  stream.once('close', () => socket.terminate());
  for (const sign of ['open', 'message', 'pong']) socket.on(sign, onHeard);
  const ping = () => {
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  };
  return { messages, ping };
}
