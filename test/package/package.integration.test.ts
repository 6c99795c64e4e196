import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';

const execute = promisify(execFile);
const CHECKOUT = path.join(import.meta.dirname, '../..');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-package-'));
const PROGRAM = path.join(directory, 'node_modules/.bin/codex-hangar');
const STOP_LIMIT_MS = 30_000;

/** The machine's own Node may be older than what the package asks for. */
const searchPath = `${path.dirname(process.execPath)}:${process.env.PATH}`;
/** Nothing of the settings that this machine may have for servers of its own. */
const environment = { PATH: searchPath, HOME: directory, AGENT_RUNTIME: 'process' };

beforeAll(async () => {
  const env = { ...process.env, PATH: searchPath };
  const npm = (cwd: string, ...command: string[]) => execute('npm', command, { cwd, env });
  await npm(CHECKOUT, 'pack', '--silent', '--pack-destination', directory);
  fs.writeFileSync(path.join(directory, 'package.json'), '{ "private": true }');
  await npm(directory, 'install', archive(), '--omit=optional', '--no-audit', '--no-fund');
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

test('the package holds what the server needs, and no sources or tests', async () => {
  const { stdout } = await execute('tar', ['-tzf', archive()]);
  const files = stdout.trim().split('\n');
  const needed = ['dist/main.js', 'agent-image/Dockerfile', 'prices.json'];
  expect(files).toEqual(expect.arrayContaining(needed.map((file) => `package/${file}`)));
  const unexpected = files.filter(
    (file) =>
      !/^package\/(dist|agent-image|docs)\//.test(file) &&
      !/^package\/(package\.json|LICENSE|README\.md|prices\.json|\.env\.example)$/.test(file),
  );
  expect(unexpected).toEqual([]);
  expect(files.filter((file) => /\.ts$|extra-ca\.crt$/.test(file))).toEqual([]);
});

test('npx runs it by each of its names', async () => {
  for (const name of ['codex-hangar', 'codex-mcp-server', 'codex-mcp']) {
    const command = ['--no-install', name, '--version'];
    const { stdout } = await execute('npx', command, { cwd: directory, env: environment });
    expect(stdout.trim()).toBe(VERSION);
  }
});

test('the server answers on the port it was given, and ends on a signal', async () => {
  await using port = await takePort();
  await port.free();
  const server = start(['--port', String(port.number)], { DATA_DIR: fresh() });
  await server.says('"Listening"');
  const answer = await fetch(`http://127.0.0.1:${port.number}/ping`);
  expect(await answer.json()).toEqual({ status: 'ok' });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('a signal during the start ends the server as well', async () => {
  await using engine = await takePort();
  const server = start(['--port', '0'], {
    DATA_DIR: fresh(),
    AGENT_RUNTIME: 'docker',
    DOCKER_HOST: `tcp://127.0.0.1:${engine.number}`,
    DOCKER_OPERATION_TIMEOUT: '1',
  });
  // An engine that takes the connection and says nothing.
  await once(engine.server, 'connection');
  expect(server.stderr()).not.toContain('"Listening"');
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('a wrong option is answered with the usage', async () => {
  const { code, stderr } = await failure(['--bogus']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^Unknown option '--bogus'/);
  expect(stderr).toContain('Usage: codex-hangar [--port 8210]');
});

test('a wrong setting is named with its value and what is allowed', async () => {
  const { code, stderr } = await failure(['--port', 'many']);
  expect(code).toBe(2);
  expect(stderr).toContain('MCP_PORT is "many". Allowed: a whole number from 0 to 65535.\n');
});

test('a port that is taken is named with what to do', async () => {
  await using port = await takePort();
  const { code, stderr } = await failure(['--port', String(port.number)], { DATA_DIR: fresh() });
  expect(code).toBe(1);
  expect(lastLine(stderr)).toMatch(
    new RegExp(`^The port is taken: .*127\\.0\\.0\\.1:${port.number}\\. .*another MCP_PORT`),
  );
});

test('an address that this machine does not have is named without a stack', async () => {
  // 203.0.113.0/24 is for documentation.
  const settings = { DATA_DIR: fresh(), ALLOW_UNAUTHENTICATED: 'true' };
  const { code, stderr } = await failure(['--host', '203.0.113.9', '--port', '0'], settings);
  expect(code).toBe(1);
  expect(lastLine(stderr)).toMatch(/^The server could not start: .*203\.0\.113\.9/);
});

test('a data directory that cannot be made is named', async () => {
  const below = path.join(directory, 'package.json', 'data');
  const { code, stderr } = await failure(['--port', '0'], { DATA_DIR: below });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^DATA_DIR is ".*data", which can't be used: .*\n$/);
});

function archive(): string {
  const [name = ''] = fs.readdirSync(directory).filter((file) => file.endsWith('.tgz'));
  return path.join(directory, name);
}

function fresh(): string {
  return fs.mkdtempSync(path.join(directory, 'data-'));
}

function lastLine(output: string): string {
  return output.trimEnd().split('\n').at(-1) ?? '';
}

/** Runs the program until it gives up by itself. */
async function failure(args: string[], settings: Record<string, string> = {}) {
  const server = start(args, settings);
  const { code } = await server.ended;
  return { code, stderr: server.stderr() };
}

function start(args: string[], settings: Record<string, string>) {
  const child = spawn(PROGRAM, args, {
    cwd: directory,
    env: { ...environment, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 90_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return {
    ended,
    stderr: () => output,
    async says(words: string) {
      while (!output.includes(words)) {
        const more = once(child.stderr, 'data').then(() => true);
        if (!(await Promise.race([more, ended.then(() => false)]))) throw new Error(output);
      }
    },
    async stop() {
      const killing = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      child.kill('SIGTERM');
      return ended.finally(() => clearTimeout(killing));
    },
  };
}

async function takePort() {
  const server = net.createServer((connection) => connection.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const free = () => new Promise((resolve) => server.close(resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    number: port,
    free,
    async [Symbol.asyncDispose]() {
      await free();
    },
  };
}
