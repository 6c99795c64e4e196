import type net from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Joins two connections. Each side may half-close and go on reading; a reset of one side resets the
 * other. Calls `onEnd` once, when both are closed.
 */
export function splice(
  client: Duplex,
  upstream: net.Socket,
  onEnd: (reason: 'client_gone' | undefined) => void,
): void {
  let reason: 'client_gone' | undefined;
  let open = 2;
  const closed = () => {
    open -= 1;
    if (open === 0) onEnd(reason);
  };
  const abort = () => {
    if (upstream.closed) return;
    reason = 'client_gone';
    // A socket that has ended cannot be reset: it would never close.
    if (upstream.writableEnded) upstream.destroy();
    else upstream.resetAndDestroy();
  };
  // An HTTP/2 stream that was reset seems to have ended a moment before.
  client.once('aborted', abort);
  client.once('close', () => {
    if (client.readableEnded) upstream.destroySoon();
    else abort();
    closed();
  });
  upstream.once('close', () => {
    if (!upstream.readableEnded) client.destroy();
    // Sends what was received, then closes.
    else if (!client.readableEnded) destroyWhenSent(client);
    closed();
  });
  client.pipe(upstream).pipe(client);
}

function destroyWhenSent(client: Duplex): void {
  if (client.writableFinished) client.destroy();
  else client.once('finish', () => client.destroy());
}
