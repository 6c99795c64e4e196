/** The least that a Node server can be which keeps an event stream open for each client. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const server = http.createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('event: endpoint\ndata: /messages\n\n');
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stderr.write(
    `${JSON.stringify({ msg: 'Listening', url: `http://127.0.0.1:${port}` })}\n`,
  );
});
