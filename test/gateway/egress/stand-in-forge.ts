import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

export type StandInForge = AsyncDisposable & {
  port: number;
  /** Of the authority that signed its certificate. */
  certificate: string;
  /** Method, path and what the request said of who sends it. */
  requests: { line: string; authorization: string | undefined }[];
  head: string;
  /** A repository with one commit of what a command writes. */
  add(path: string, command: string): void;
};

type ForgeOptions = {
  host: string;
  secure?: boolean;
  /** `USER:PASSWORD` that it wants to be shown. */
  login?: string;
};

/**
 * A server of git repositories as they are on the internet: git's own http-backend, TLS and Basic.
 * `/team/app.git` has two commits on `main`, a branch `side` and a tag `v1`; `/old.git` leads to it, `/slow.git` never answers.
 * `/team/whole.git` has it as submodules in several ways, one of them in another submodule, and a file of LFS; `/far.git` has one on loopback.
 */
export async function startForge({
  host,
  secure = false,
  login,
}: ForgeOptions): Promise<StandInForge> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-forge-'));
  const head = makeRepository(path.join(root, 'team/app.git'));
  const { key, cert } = secure ? makeCertificate(root, host) : { key: '', cert: '' };
  const requests: StandInForge['requests'] = [];
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '', headers } = request;
    requests.push({ line: `${method} ${url}`, authorization: headers.authorization });
    const basic =
      login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
    if (url.startsWith('/old.git')) {
      response.writeHead(301, { location: url.replace('/old.git', '/team/app.git') }).end();
    } else if (url.startsWith('/away.git')) {
      response.writeHead(301, { location: `http://elsewhere.example${url}` }).end();
    } else if (url.startsWith('/slow.git')) {
      // Never answered.
    } else if (basic !== undefined && headers.authorization !== basic) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end();
    } else {
      backend(root, request, response);
    }
  };
  const server = secure ? https.createServer({ key, cert }, serve) : http.createServer(serve);
  await once(server.listen(0, host), 'listening');
  const { port } = server.address() as AddressInfo;
  makeWhole(root, `${secure ? 'https' : 'http'}://${host}:${port}`, head);
  return {
    ...{ port, requests, head, certificate: cert },
    add(repository, command) {
      const work = path.join(root, `${repository}-work`);
      fs.mkdirSync(work, { recursive: true });
      const commit =
        'git init -q -b main && git add . && git -c user.name=t -c user.email=t@t commit -qm x';
      const clone = `git clone -q --bare . "$1"`;
      const script = `(${command}) && ${commit} && ${clone}`;
      execFileSync('sh', ['-c', script, 'sh', path.join(root, repository)], { cwd: work });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

function gitIn(work: string) {
  return (...args: string[]) =>
    execFileSync('git', ['-C', work, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      env: { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
    })
      .toString()
      .trim();
}

/** Repositories with submodules at a commit of `/team/app.git`. */
function makeWhole(root: string, base: string, commit: string): void {
  const inner = withSubmodules(path.join(root, 'team/inner.git'), { deep: '../app.git' }, commit);
  withSubmodules(
    path.join(root, 'team/whole.git'),
    { 'lib/near': '../app.git', far: `${base}/team/app.git`, ssh: 'git@host.invalid:team/app.git' },
    commit,
    { inner: { url: './../inner.git', commit: inner } },
  );
  withSubmodules(path.join(root, 'far.git'), { local: 'http://127.0.0.1:9/x.git' }, commit);
}

function withSubmodules(
  bare: string,
  urls: Record<string, string>,
  commit: string,
  more: Record<string, { url: string; commit: string }> = {},
): string {
  const work = `${bare}-work`;
  const git = gitIn(work);
  fs.mkdirSync(work, { recursive: true });
  git('init', '-q', '-b', 'main');
  const all = Object.entries(urls).map(([at, url]) => [at, { url, commit }] as const);
  for (const [at, one] of [...all, ...Object.entries(more)]) {
    git('config', '-f', '.gitmodules', `submodule.${at}.path`, at);
    git('config', '-f', '.gitmodules', `submodule.${at}.url`, one.url);
    git('update-index', '--add', '--cacheinfo', `160000,${one.commit},${at}`);
  }
  fs.writeFileSync(path.join(work, '.gitattributes'), '*.bin filter=lfs\n');
  fs.writeFileSync(path.join(work, 'big.bin'), 'version https://git-lfs.github.com/spec/v1\n');
  git('add', '.gitmodules', '.gitattributes', 'big.bin');
  git('commit', '-qm', 'whole');
  git('clone', '-q', '--bare', work, bare);
  return git('rev-parse', 'HEAD');
}

function makeRepository(bare: string): string {
  const work = `${bare}-work`;
  const git = gitIn(work);
  fs.mkdirSync(work, { recursive: true });
  git('init', '-q', '-b', 'main');
  fs.writeFileSync(path.join(work, 'first.txt'), 'first\n');
  git('add', '.');
  git('commit', '-qm', 'first');
  git('tag', 'v1');
  git('branch', 'side');
  fs.writeFileSync(path.join(work, 'second.txt'), 'second\n');
  git('add', '.');
  git('commit', '-qm', 'second');
  git('clone', '-q', '--bare', work, bare);
  execFileSync('git', ['-C', bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true']);
  return git('rev-parse', 'HEAD');
}

function makeCertificate(root: string, host: string): { key: string; cert: string } {
  const [key, cert] = [path.join(root, 'key.pem'), path.join(root, 'cert.pem')];
  const name = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
  const names = `subjectAltName=${name},DNS:git.example.com`;
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'].concat([
      ...['-days', '2', '-subj', '/CN=forge', '-addext', names, '-keyout', key, '-out', cert],
    ]),
    { stdio: 'ignore' },
  );
  return { key: fs.readFileSync(key, 'utf8'), cert: fs.readFileSync(cert, 'utf8') };
}

function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '', headers } = request;
  const { pathname, search } = new URL(url, 'http://forge');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      REQUEST_METHOD: method,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  child.stdout.on('data', function read(chunk: Buffer) {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    child.stdout.off('data', read);
    const lines = head.subarray(0, end).toString().split('\r\n');
    for (const line of lines) {
      const [name = '', value = ''] = line.split(/: (.*)/s);
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  });
}
