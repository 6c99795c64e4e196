import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ProcessRuntime,
  type ProcessRuntimeOptions,
} from '../../src/runtime/process/process-runtime.ts';
import { readProcess } from '../../src/runtime/process/process-table.ts';
import { containerRuntimeContract } from '../contract/container-runtime.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const log = pino({ level: 'silent' });
const defaults: ProcessRuntimeOptions['config'] = {
  CODEX_BIN: undefined,
  CONTAINER_STARTUP_TIMEOUT: 20,
};
const env = { CODEX_GATEWAY_TOKEN: 'token' };
const onLinux = it.skipIf(process.platform !== 'linux');

containerRuntimeContract('ProcessRuntime', async () => {
  const directory = await newDirectory();
  const newRuntime = () =>
    new ProcessRuntime({ config: defaults, directory: path.join(directory, 'agents'), log });
  return {
    runtime: newRuntime(),
    restartedServer: newRuntime,
    dispose: () => fs.rm(directory, { recursive: true, force: true }),
  };
});

describe('agents as processes', { timeout: 90_000 }, () => {
  let directory: string;
  let runtime: ProcessRuntime;

  beforeEach(async () => {
    directory = await newDirectory();
    runtime = newRuntime();
  });

  afterEach(async () => {
    const cleaner = newRuntime();
    for (const { agentId } of await cleaner.list())
      await cleaner.remove(agentId, { volumes: true });
    await fs.rm(directory, { recursive: true, force: true });
  });

  function newRuntime(config: Partial<typeof defaults> = {}) {
    return new ProcessRuntime({ config: { ...defaults, ...config }, directory, log });
  }

  async function startAgent(agentId = 'a'): Promise<void> {
    await runtime.create({ agentId, env });
    await runtime.start(agentId);
  }

  async function record(agentId = 'a'): Promise<StoredRecord> {
    return JSON.parse(await fs.readFile(path.join(directory, agentId, 'container.json'), 'utf8'));
  }

  async function shell(script: string, agentId = 'a'): Promise<string> {
    const child = await runtime.exec(agentId, ['sh', '-c', script]);
    return (await text(child.stdio)).trim();
  }

  it('says that it does not confine what runs in it', () => {
    expect(runtime).toMatchObject({ kind: 'process', confines: false });
  });

  it('takes the id of a process that was used again for a process that ended', async () => {
    const stranger = spawn('sleep', ['600']);
    try {
      await runtime.create({ agentId: 'a', env });
      const main = { pid: pidOf(stranger), birth: 'some boot/1' };
      const file = path.join(directory, 'a', 'container.json');
      await fs.writeFile(file, JSON.stringify({ ...(await record()), main }));
      expect(await runtime.inspect('a')).toMatchObject({ state: 'stopped' });
      await runtime.pause('a');
      await runtime.stop('a', { graceSeconds: 0 });
      await runtime.start('a');
      await runtime.remove('a', { volumes: true });
      expect(await isAlive(pidOf(stranger))).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  onLinux('kills daemons that left their session when it stops', async () => {
    await startAgent();
    const daemon = Number(await shell('setsid sleep 600 >/dev/null 2>&1 & echo $!'));
    const orphan = Number(await shell('(setsid sleep 601 >/dev/null 2>&1 & echo $!)'));
    expect(await Promise.all([daemon, orphan].map(isAlive))).toEqual([true, true]);
    await runtime.stop('a', { graceSeconds: 1 });
    expect(await Promise.all([daemon, orphan].map(isAlive))).toEqual([false, false]);
  });

  onLinux('freezes daemons too when it pauses', async () => {
    await startAgent();
    const daemon = Number(await shell('setsid sleep 600 >/dev/null 2>&1 & echo $!'));
    await runtime.pause('a');
    expect(await fs.readFile(`/proc/${daemon}/stat`, 'utf8')).toContain(') T ');
    await expect(runtime.exec('a', ['echo'])).rejects.toMatchObject({ code: 'container_lost' });
    await runtime.start('a');
    expect(await fs.readFile(`/proc/${daemon}/stat`, 'utf8')).not.toContain(') T ');
  });

  it('keeps an agent running when the server is killed, and ends the input of its programs', async () => {
    const server = spawn(process.execPath, ['--input-type=module', '-e', SERVER], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, AGENTS: directory, OPENAI_API_KEY: 'real-key' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(server.stdout, 'data');
    server.kill('SIGKILL');
    await once(server, 'exit');
    const adopted = newRuntime();
    expect(await adopted.inspect('a')).toMatchObject({ state: 'running' });
    const over = path.join(directory, 'a', 'workspace', 'over');
    await expect.poll(() => fs.readFile(over, 'utf8').catch(() => '')).toBe('over\n');
    if (process.platform === 'linux') {
      const environment = await fs.readFile(`/proc/${(await record()).main?.pid}/environ`, 'utf8');
      expect(environment).not.toContain('real-key');
    }
    const pid = (await record()).main?.pid ?? 0;
    await adopted.stop('a', { graceSeconds: 1 });
    expect(await isAlive(pid)).toBe(false);
  });

  it('notices that Codex was killed, keeps its exit status and ends what it left behind', async () => {
    await startAgent();
    const daemon = Number(await shell('setsid sleep 600 >/dev/null 2>&1 & echo $!'));
    process.kill((await record()).main?.pid ?? 0, 'SIGKILL');
    await expect
      .poll(() => runtime.inspect('a'))
      .toMatchObject({ state: 'stopped', exitCode: 137 });
    if (process.platform === 'linux') expect(await isAlive(daemon)).toBe(false);
    await runtime.start('a');
    expect(await runtime.inspect('a')).toMatchObject({ state: 'running' });
    expect(await runtime.inspect('a')).not.toHaveProperty('exitCode');
  });

  it('works in a data directory with a path longer than a socket may have', async () => {
    const deep = path.join(directory, 'long'.repeat(30), 'path'.repeat(30));
    runtime = new ProcessRuntime({ config: defaults, directory: deep, log });
    await startAgent();
    const proxy = await runtime.exec('a', runtime.layout('a').appServerProxy);
    proxy.stdio.write(UPGRADE);
    expect(String((await once(proxy.stdio, 'data'))[0])).toContain('101 Switching Protocols');
    proxy.stdio.destroy();
    await runtime.remove('a', { volumes: true });
  });

  it('gives every agent a port of its own and keeps it', async () => {
    await startAgent('a');
    await startAgent('b');
    const { gatewayPort } = await record('a');
    expect((await record('b')).gatewayPort).not.toBe(gatewayPort);
    expect(await shell('echo $CODEX_GATEWAY_PORT $HTTPS_PROXY $NO_PROXY')).toBe(
      `${gatewayPort} http://127.0.0.1:${gatewayPort} 127.0.0.1,localhost`,
    );
    const { home } = runtime.layout('a');
    const config = await fs.readFile(path.join(home, '.codex', 'config.toml'), 'utf8');
    expect(config).toContain(`base_url = "http://127.0.0.1:${gatewayPort}/v1"`);
    expect(config).not.toContain('8211');
    await runtime.stop('a', { graceSeconds: 1 });
    await runtime.start('a');
    expect(await record('a')).toMatchObject({ gatewayPort });
  });

  it('takes another port at start when a stranger has the old one', async () => {
    await runtime.create({ agentId: 'a', env });
    const { gatewayPort } = await record();
    const stranger = net.createServer().listen(gatewayPort, '127.0.0.1');
    await once(stranger, 'listening');
    try {
      await runtime.start('a');
      expect((await record()).gatewayPort).not.toBe(gatewayPort);
    } finally {
      stranger.close();
    }
  });

  it('keeps its directories and its record from other users', async () => {
    await startAgent();
    const names = ['', 'workspace', 'home', 'home/.codex', 'container.json', 'main.log'];
    for (const name of names) {
      const { mode } = await fs.stat(path.join(directory, 'a', name));
      expect(mode & 0o077, name).toBe(0);
    }
  });

  it('takes the environment that it is given when an agent is created anew', async () => {
    await startAgent();
    await runtime.create({ agentId: 'a', env: { CODEX_GATEWAY_TOKEN: 'other' } });
    expect(await runtime.inspect('a')).toMatchObject({ state: 'stopped' });
    await runtime.start('a');
    expect(await shell('echo $CODEX_GATEWAY_TOKEN')).toBe('other');
  });

  it('calls an agent outdated when another Codex is used', async () => {
    await startAgent();
    const link = path.join(directory, 'codex');
    await fs.symlink(runtime.layout('a').appServerProxy[0] ?? '', link);
    expect(await newRuntime({ CODEX_BIN: link }).inspect('a')).toMatchObject({ outdated: true });
  });

  it('shortens a log that grew large', async () => {
    await runtime.create({ agentId: 'a', env });
    const file = path.join(directory, 'a', 'main.log');
    await fs.writeFile(file, `${'x'.repeat(1023)}\n`.repeat(11 * 1024));
    await runtime.start('a');
    expect((await fs.stat(file)).size).toBeLessThan(1024 * 1024);
  });

  it('says how to get Codex when there is none', async () => {
    const missing = newRuntime({ CODEX_BIN: path.join(directory, 'no-codex') });
    const failure = { code: 'codex_missing', message: expect.stringContaining('CODEX_BIN') };
    await expect(missing.prepare(() => undefined)).rejects.toMatchObject(failure);
    await expect(missing.create({ agentId: 'a', env })).rejects.toMatchObject(failure);
    expect(await missing.readiness()).toMatchObject({ present: false });
  });

  it('refuses the Node wrapper of Codex', async () => {
    const CODEX_BIN = path.join(directory, 'codex.js');
    await fs.copyFile(path.join(ROOT, 'node_modules/@openai/codex/bin/codex.js'), CODEX_BIN);
    await fs.chmod(CODEX_BIN, 0o755);
    await expect(newRuntime({ CODEX_BIN }).prepare(() => undefined)).rejects.toMatchObject({
      code: 'codex_missing',
    });
  });

  it("warns when Codex's own sandbox does not work here", async () => {
    const CODEX_BIN = await script(
      '[ "$1" = --version ] && echo codex-cli 1.2.3 && exit; echo no namespaces >&2; exit 1',
    );
    const lines: string[] = [];
    await newRuntime({ CODEX_BIN }).prepare((line) => lines.push(line));
    expect(lines).toEqual([
      expect.stringContaining('codex-cli 1.2.3'),
      expect.stringContaining('no namespaces'),
    ]);
  });

  it('checks a program that works once, and another one in its place again', async () => {
    const checks = path.join(directory, 'checks');
    const passes = `echo "$1" >> ${checks}; echo codex-cli`;
    const CODEX_BIN = await script(passes);
    const checked = newRuntime({ CODEX_BIN });
    const done = async () => {
      await checked.prepare(() => undefined);
      return (await fs.readFile(checks, 'utf8')).split('\n').slice(0, -1);
    };
    expect(await done()).toEqual(['--version', 'sandbox']);
    expect(await done()).toHaveLength(2);
    await script(`${passes} 2`);
    expect(await done()).toHaveLength(4);
  });

  it('gives up on a Codex that does not listen, and leaves none of it behind', async () => {
    const CODEX_BIN = await script('exec sleep 600');
    runtime = newRuntime({ CODEX_BIN, CONTAINER_STARTUP_TIMEOUT: 1 });
    await expect(startAgent()).rejects.toMatchObject({ code: 'start_timeout' });
    expect(await runtime.inspect('a')).toMatchObject({ state: 'stopped' });
    expect(await isAlive((await record()).main?.pid ?? 0)).toBe(false);
  });

  it('waits for a Codex whose server died before it listened', async () => {
    runtime = newRuntime({
      CODEX_BIN: await script('exec sleep 600'),
      CONTAINER_STARTUP_TIMEOUT: 5,
    });
    await runtime.create({ agentId: 'a', env });
    const started = runtime.start('a');
    await expect.poll(() => runtime.inspect('a')).toMatchObject({ state: 'running' });
    const adopted = newRuntime({ CONTAINER_STARTUP_TIMEOUT: 1 });
    await expect(adopted.start('a')).rejects.toMatchObject({ code: 'start_timeout' });
    await fs.writeFile(path.join(directory, 'a', 'app.sock'), '');
    await adopted.start('a');
    await started;
  });

  it('tells what Codex wrote when it ends at once', async () => {
    runtime = newRuntime({ CODEX_BIN: await script('echo broken config >&2; exit 3') });
    await expect(startAgent()).rejects.toMatchObject({
      code: 'codex_failed',
      message: expect.stringContaining('broken config'),
    });
  });

  it.each(['', '.', '..', '../a', 'a/b', 'a..b', '-a', '.a', 'a b', 'a\0b', 'x'.repeat(65)])(
    'refuses the agent id %j',
    async (agentId) => {
      const refusal = { code: 'invalid_input' };
      await expect(runtime.create({ agentId, env })).rejects.toMatchObject(refusal);
      await expect(runtime.remove(agentId, { volumes: true })).rejects.toMatchObject(refusal);
      expect(() => runtime.layout(agentId)).toThrow();
    },
  );

  async function script(body: string): Promise<string> {
    const file = path.join(directory, 'fake-codex');
    await fs.writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return file;
  }
});

type StoredRecord = { gatewayPort: number; main?: { pid: number } };

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

/** A server that starts an agent and a program in it, and says so. */
const SERVER = `
  import { pino } from 'pino';
  import { ProcessRuntime } from './src/runtime/process/process-runtime.ts';
  const config = { CONTAINER_STARTUP_TIMEOUT: 20 };
  const runtime = new ProcessRuntime({
    config, directory: process.env.AGENTS, log: pino({ level: 'silent' }),
  });
  await runtime.create({ agentId: 'a', env: { CODEX_GATEWAY_TOKEN: 'token' } });
  await runtime.start('a');
  await runtime.exec('a', ['sh', '-c', 'cat; echo over > over']);
  console.log('started');
  setInterval(() => undefined, 1000);
`;

/** Not in the temporary directory, where Codex would complain of its home. */
async function newDirectory(): Promise<string> {
  return await fs.mkdtemp('/var/tmp/codex-mcp-agents-');
}

function pidOf(child: ChildProcess): number {
  return child.pid ?? 0;
}

/** A process that ended counts as dead even if nobody asks for its exit status. */
async function isAlive(pid: number): Promise<boolean> {
  const found = await readProcess(pid);
  return found !== undefined && found.state !== 'dead';
}
