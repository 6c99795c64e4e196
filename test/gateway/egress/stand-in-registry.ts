import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-fs';

export type StandInRegistry = AsyncDisposable & { port: number; requests: string[] };

/** A registry of npm with one package, `tiny`, which exports `tiny works`. */
export async function startRegistry(host: string): Promise<StandInRegistry> {
  const tarball = await packTiny();
  const requests: string[] = [];
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.url?.endsWith('.tgz')) response.end(tarball);
    else if (request.url === '/tiny') response.end(JSON.stringify(packument()));
    else response.writeHead(404).end('{}');
  });
  await once(server.listen(0, host), 'listening');
  const { port } = server.address() as AddressInfo;
  const packument = () => {
    const dist = { tarball: `http://${host}:${port}/tiny/-/tiny-1.0.0.tgz` };
    const version = { name: 'tiny', version: '1.0.0', dist };
    return { name: 'tiny', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } };
  };
  return {
    ...{ port, requests },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function packTiny(): Promise<Buffer> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-tiny-'));
  try {
    const inside = path.join(directory, 'package');
    fs.mkdirSync(inside);
    const manifest = JSON.stringify({ name: 'tiny', version: '1.0.0' });
    fs.writeFileSync(path.join(inside, 'package.json'), manifest);
    fs.writeFileSync(path.join(inside, 'index.js'), "module.exports = 'tiny works';\n");
    return await buffer(pack(directory).pipe(createGzip()));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
