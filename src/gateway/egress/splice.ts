import type net from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Makes one connection of two. Each end may close its half and go on reading; a cut on one side is
 * one on the other. `onEnd` is called once, when both are gone.
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
    // A socket whose end is on its way can't be reset: it would never close.
    if (upstream.writableEnded) upstream.destroy();
    else upstream.resetAndDestroy();
  };
  // Of a stream of HTTP/2: one that was cut seems to have ended a moment before.
  client.once('aborted', abort);
  client.once('close', () => {
    if (client.readableEnded) upstream.destroySoon();
    else abort();
    closed();
  });
  upstream.once('close', () => {
    if (!upstream.readableEnded) client.destroy();
    // What was received goes out first; nobody takes what still comes.
    else if (!client.readableEnded) destroyWhenSent(client);
    closed();
  });
  client.pipe(upstream).pipe(client);
}

function destroyWhenSent(client: Duplex): void {
  if (client.writableFinished) client.destroy();
  else client.once('finish', () => client.destroy());
}
