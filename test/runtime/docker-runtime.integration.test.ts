import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { DockerRuntime } from '../../src/runtime/docker/docker-runtime.ts';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import { BASE_IMAGE } from '../setup/base-image.ts';
import { DockerInstallation, type Outcome, outcome } from './docker-setup.ts';

const engine = inject('engine');
const missing = engine.available ? '' : ` (skipped: ${engine.reason})`;

const PREPARE_MS = 600_000;
const TEST_MS = 60_000;
const MEBIBYTE = 1024 * 1024;
const env = { CODEX_GATEWAY_TOKEN: 'token-of-an-agent' };

describe.skipIf(!engine.available)(`agents in Docker${missing}`, { timeout: TEST_MS }, () => {
  const installation = new DockerInstallation();
  let runtime: DockerRuntime;
  const agentId = 'a';

  beforeAll(async () => {
    runtime = installation.runtime();
    await runtime.prepare(() => {});
  }, PREPARE_MS);

  afterEach(() => installation[Symbol.asyncDispose](), TEST_MS);

  async function startAgent(on = runtime): Promise<void> {
    await on.create({ agentId, env });
    await on.start(agentId);
  }

  async function shell(script: string, on = runtime): Promise<Outcome> {
    return outcome(await on.exec(agentId, ['sh', '-c', script]));
  }

  async function containerId(): Promise<string> {
    return (await runtime.inspect(agentId))?.id ?? '';
  }

  describe('confinement', () => {
    it('runs an agent without rights, network or a way to write its system', async () => {
      await startAgent();
      const { stdout } = await shell(
        'id -u; id -g; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; ls /sys/class/net; touch /etc/x /usr/x 2>&1; touch /workspace/x ~/x ~/.codex/x /tmp/x /var/tmp/x && echo writable',
      );
      expect(stdout.replaceAll('\t', ' ').trimEnd().split('\n')).toEqual([
        '1000',
        '1000',
        'CapEff: 0000000000000000',
        'CapBnd: 0000000000000000',
        'NoNewPrivs: 1',
        'lo',
        "touch: cannot touch '/etc/x': Read-only file system",
        "touch: cannot touch '/usr/x': Read-only file system",
        'writable',
      ]);
    });

    it('holds an agent to its memory, processes and CPUs', async () => {
      const limited = installation.runtime({
        CONTAINER_MEMORY_LIMIT: '256m',
        CONTAINER_PIDS_LIMIT: '64',
        CONTAINER_CPU_LIMIT: '0.5',
      });
      await startAgent(limited);
      const { stdout } = await shell(
        'cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes pids.max pids/pids.max cpu.max cpu/cpu.cfs_quota_us 2>/dev/null',
        limited,
      );
      expect(stdout).toMatch(/^268435456\n64\n50000( 100000)?\n$/);
    });

    it('gives an agent no process beyond its number', async () => {
      await startAgent(installation.runtime({ CONTAINER_PIDS_LIMIT: '64' }));
      await shell('until [ -S /tmp/app.sock ]; do sleep 0.1; done');
      const { stderr, stdout } = await shell('for i in $(seq 100); do sleep 3 & done; echo all');
      expect(stderr).toMatch(/Cannot fork/);
      expect(stdout).toBe('');
      await expect.poll(() => shell('echo works').catch(() => '')).toMatchObject({ status: 0 });
      expect(await runtime.inspect(agentId)).toMatchObject({ state: 'running' });
    });

    it('bounds the scratch directories and the open files of a process', async () => {
      await startAgent();
      const script = 'df -m --output=size /tmp /var/tmp | tail -n 2 | tr -d " "; ulimit -n';
      expect((await shell(script)).stdout).toBe('256\n64\n4096\n');
      expect((await shell('head -c 70M /dev/zero > /var/tmp/x')).stderr).toContain('No space left');
    });

    it('ends what writes a file beyond the size that it may have', async () => {
      await startAgent(installation.runtime({ CONTAINER_DISK_LIMIT: '64m' }));
      const { status } = await shell('head -c 70M /dev/zero > /workspace/big');
      expect(status).toBe(128 + 25);
      expect((await shell('stat -c %s /workspace/big')).stdout).toBe(`${64 * MEBIBYTE}\n`);
      expect((await shell('grep "file size" /proc/1/limits')).stdout).toContain('67108864');
      const free = installation.runtime({ CONTAINER_DISK_LIMIT: '0' });
      expect(await free.inspect(agentId)).toMatchObject({ outdated: true });
    });

    it('keeps 30 MB of what an agent logs, the end of it', async () => {
      await startAgent();
      const line = 'x'.repeat(999);
      await shell(`yes ${line} | head -n 40000 > /proc/1/fd/1; echo the end > /proc/1/fd/1`);
      const container = installation.docker.getContainer(await containerId());
      const size = async () => (await container.logs({ stdout: true })).length;
      await expect.poll(() => runtime.logs(agentId, { tail: 1 })).toContain('the end');
      expect(await size()).toBeGreaterThan(15_000_000);
      expect(await size()).toBeLessThan(30_000_000);
      const { HostConfig } = await container.inspect();
      expect(HostConfig.LogConfig?.Config).toEqual({ 'max-size': '10m', 'max-file': '3' });
    });

    it('gives an agent no more CPUs than the engine has', async () => {
      const { cpus } = await runtime.ping();
      const greedy = installation.runtime({ CONTAINER_CPU_LIMIT: '1024' });
      await startAgent(greedy);
      const { HostConfig } = await installation.docker.getContainer(await containerId()).inspect();
      expect(HostConfig.NanoCpus).toBe(cpus * 1e9);
    });

    it('runs programs from the scratch directory and drops what is in it with a stop', async () => {
      await startAgent();
      const script = 'printf "#!/bin/sh\\necho ran" > /tmp/p; chmod +x /tmp/p; /tmp/p';
      expect((await shell(script)).stdout).toBe('ran\n');
      await runtime.stop(agentId, { graceSeconds: 5 });
      await runtime.start(agentId);
      expect((await shell('ls /tmp/p')).status).not.toBe(0);
    });

    it('sends the traffic of programs to the gateway, which is all that can be reached', async () => {
      await startAgent();
      const { stdout } = await shell('echo $https_proxy $NO_PROXY');
      expect(stdout).toBe('http://127.0.0.1:8211 127.0.0.1,localhost\n');
      expect((await shell('curl -sS https://packages.example.org')).stderr).toContain('127.0.0.1');
    });

    it('tells that the kernel killed a process for lack of memory, until the next start', async () => {
      const small = installation.runtime({ CONTAINER_MEMORY_LIMIT: '96m' });
      await startAgent(small);
      await shell('head -c 300m /dev/zero | tail -c 300m > /dev/null', small);
      await expect.poll(() => small.inspect(agentId)).toMatchObject({ outOfMemory: true });
      await small.stop(agentId, { graceSeconds: 5 });
      expect(await small.inspect(agentId)).toMatchObject({ outOfMemory: true, state: 'stopped' });
      await small.start(agentId);
      expect(await small.inspect(agentId)).toMatchObject({ outOfMemory: false });
    });
  });

  describe('containers', () => {
    it('ends by draining Codex, or is killed when the grace is over', async () => {
      await startAgent();
      // It takes the signal from a moment on that comes after its socket.
      const untilUp =
        "caught() { sed -n 's/^SigCgt:\\t//p' /proc/$(pgrep -ox codex)/status; }; until [ $((0x$(caught) & 0x4000)) != 0 ]; do sleep 0.1; done";
      await shell(untilUp);
      await runtime.stop(agentId, { graceSeconds: 20 });
      expect(await runtime.inspect(agentId)).toMatchObject({ state: 'stopped', exitCode: 0 });
      await runtime.start(agentId);
      await shell(`${untilUp}; pkill -STOP -x codex`);
      await runtime.stop(agentId, { graceSeconds: 1 });
      expect(await runtime.inspect(agentId)).toMatchObject({ state: 'stopped', exitCode: 137 });
    });

    it('are outdated once settings change, and replaced with their files by create', async () => {
      await startAgent();
      await shell('echo kept > file');
      const changed = installation.runtime({ CONTAINER_PIDS_LIMIT: '99' });
      expect(await changed.inspect(agentId)).toMatchObject({ outdated: true });
      await startAgent(changed);
      expect(await changed.inspect(agentId)).toMatchObject({ outdated: false });
      expect((await shell('cat file', changed)).stdout).toBe('kept\n');
    });

    it('are replaced when their environment changes', async () => {
      await startAgent();
      await runtime.create({ agentId, env: { CODEX_GATEWAY_TOKEN: 'another' } });
      await runtime.start(agentId);
      expect((await shell('echo $CODEX_GATEWAY_TOKEN')).stdout).toBe('another\n');
    });

    it('of another installation are neither listed nor touched', async () => {
      await using other = new DockerInstallation();
      const foreign = other.runtime();
      await foreign.create({ agentId, env });
      expect(await runtime.list()).toEqual([]);
      await runtime.remove(agentId, { volumes: true });
      expect(await foreign.inspect(agentId)).toMatchObject({ agentId });
    });
  });

  it('does not take volumes that are being removed for old ones', async () => {
    const { docker } = installation;
    const Labels = { [LABELS.installation]: installation.id, [LABELS.agent]: agentId };
    const ages: number[] = [];
    let over = false;
    const listing = (async () => {
      while (!over) {
        const volumes = await runtime.listVolumes();
        ages.push(...volumes.map(({ createdAt }) => Date.now() - createdAt.getTime()));
      }
    })();
    const names = Array.from({ length: 100 }, (_, index) => `${installation.id}-${index}`);
    await Promise.all(names.map((Name) => docker.createVolume({ Name, Labels })));
    await Promise.all(names.map((name) => docker.getVolume(name).remove()));
    over = true;
    await listing;
    expect(Math.max(...ages)).toBeLessThan(TEST_MS);
  });

  describe('failures', () => {
    it('says that an engine cannot be reached', async () => {
      const unreachable = installation.runtime({ DOCKER_HOST: 'tcp://127.0.0.1:1' });
      const failure = { code: 'engine_unreachable' };
      await expect(unreachable.ping()).rejects.toMatchObject(failure);
      await expect(unreachable.prepare(() => {})).rejects.toMatchObject(failure);
      await expect(unreachable.create({ agentId, env })).rejects.toMatchObject(failure);
      const absent = installation.runtime({ DOCKER_HOST: 'unix:///no/such.sock' });
      await expect(absent.list()).rejects.toMatchObject(failure);
    });

    it('gives up on an engine that does not answer', async () => {
      const silent = net.createServer().listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as net.AddressInfo;
      const waiting = installation.runtime({
        DOCKER_HOST: `tcp://127.0.0.1:${port}`,
        DOCKER_OPERATION_TIMEOUT: '1',
      });
      await expect(waiting.ping()).rejects.toMatchObject({ code: 'engine_unreachable' });
      await expect(waiting.list()).rejects.toMatchObject({ code: 'engine_unreachable' });
      silent.close();
    });

    it('says that the disk of the engine is full', async () => {
      const body = JSON.stringify({ message: 'mkdir /var/lib/docker/x: no space left on device' });
      const full = http.createServer((_, reply) => reply.writeHead(500).end(body));
      await once(full.listen(0, '127.0.0.1'), 'listening');
      const { port } = full.address() as net.AddressInfo;
      const runtimeOfIt = installation.runtime({ DOCKER_HOST: `tcp://127.0.0.1:${port}` });
      await expect(runtimeOfIt.list()).rejects.toMatchObject({ code: 'no_space' });
      full.closeAllConnections();
      full.close();
    });

    it('says that the named image is missing', async () => {
      const without = installation.runtime({ AGENT_IMAGE: 'codex-mcp-test/missing:none' });
      expect(await without.readiness()).toMatchObject({ present: false });
      await expect(without.prepare(() => {})).rejects.toMatchObject({ code: 'image_missing' });
      await expect(without.create({ agentId, env })).rejects.toMatchObject({
        code: 'image_missing',
      });
    });

    it('says that a foreign container has the name', async () => {
      await runtime.create({ agentId, env });
      const { docker } = installation;
      const { Name: name } = await docker.getContainer(await containerId()).inspect();
      await runtime.remove(agentId, { volumes: false });
      const foreign = await docker.createContainer({ name: name.slice(1), Image: BASE_IMAGE });
      try {
        await expect(runtime.create({ agentId, env })).rejects.toMatchObject({
          code: 'name_taken',
        });
        await runtime.remove(agentId, { volumes: true });
        await expect(runtime.start(agentId)).rejects.toMatchObject({ code: 'container_lost' });
        expect(await foreign.inspect()).toMatchObject({ Name: name });
      } finally {
        await foreign.remove({ force: true });
      }
    });

    it('says that a container which was removed by hand is lost', async () => {
      await runtime.create({ agentId, env });
      await installation.docker.getContainer(await containerId()).remove({ force: true });
      await expect(runtime.start(agentId)).rejects.toMatchObject({ code: 'container_lost' });
      await expect(runtime.pause(agentId)).rejects.toMatchObject({ code: 'container_lost' });
      expect(await runtime.inspect(agentId)).toBeUndefined();
    });
  });

  describe('programs', () => {
    it('take and give 50 MB without holding it in memory', async () => {
      await startAgent();
      const child = await runtime.exec(agentId, ['sh', '-c', 'cat; cat /workspace/nothing >&2']);
      const chunk = randomBytes(MEBIBYTE);
      let accepted = 0;
      const writing = (async () => {
        for (let count = 0; count < 50; count++) {
          await new Promise((resolve) => child.stdio.write(chunk, resolve));
          accepted += chunk.length;
        }
        child.stdio.end();
      })();
      await sleep(1000);
      expect(accepted).toBeLessThan(32 * MEBIBYTE);
      expect(child.stdio.readableLength).toBeLessThan(MEBIBYTE);
      let received = 0;
      for await (const bytes of child.stdio) received += bytes.length;
      await writing;
      expect(received).toBe(50 * MEBIBYTE);
      expect(await child.exited).toBe(1);
    });

    it('go on when nobody reads their error output', async () => {
      await startAgent();
      const child = await runtime.exec(agentId, [
        'sh',
        '-c',
        'head -c 8m /dev/zero >&2; echo done',
      ]);
      let output = '';
      for await (const bytes of child.stdio) output += String(bytes);
      expect(output).toBe('done\n');
      expect(await child.exited).toBe(0);
    });

    it('do not delay a stop when nobody reads their output', async () => {
      await startAgent();
      const child = await runtime.exec(agentId, ['yes']);
      await sleep(500);
      const begin = performance.now();
      await runtime.stop(agentId, { graceSeconds: 60 });
      expect(performance.now() - begin).toBeLessThan(30_000);
      expect(child.stdio.destroyed).toBe(true);
    });

    it('stay connected although they are silent for longer than a request may take', async () => {
      await startAgent();
      const hasty = installation.runtime({ DOCKER_OPERATION_TIMEOUT: '4' });
      expect((await shell('sleep 6; cat /dev/null; echo here', hasty)).stdout).toBe('here\n');
    });
  });

  describe('the agent image', () => {
    it('holds the tools of an agent and the native Codex', async () => {
      await startAgent();
      const { stdout, stderr } = await shell(
        'codex --version; head -c 4 $(command -v codex) | tail -c 3; echo; ls /opt/codex/bin; for tool in git rg curl python3 pip3 cc g++ make jq patch unzip less ps node npm; do command -v $tool > /dev/null || echo no $tool; done; bash -lc "command -v codex rg"; git config user.name; python3 -m venv /tmp/venv && echo venv',
      );
      expect(stderr).toBe('');
      expect(stdout.split('\n')).toEqual([
        'codex-cli 0.169.0',
        'ELF',
        'codex',
        'codex-code-mode-host',
        '/usr/local/bin/codex',
        '/usr/local/bin/rg',
        'Codex agent',
        'venv',
        '',
      ]);
    });

    it('has settings that Codex accepts and the agent cannot change', async () => {
      await startAgent();
      const checked = await shell('codex app-server --strict-config --print-startup-config');
      expect(checked).toMatchObject({ status: 0 });
      const { stdout } = await shell('stat -c "%U %a" /etc/codex /etc/codex/config.toml');
      expect(stdout).toBe('root 755\nroot 444\n');
    });

    it('holds no secret', async () => {
      const { image } = await runtime.readiness();
      const { Config } = await installation.docker.getImage(image).inspect();
      expect(Config.Env.join('\n')).not.toMatch(/key=|token|secret|password/i);
      await startAgent();
      const { stdout } = await shell('find / -xdev -name auth.json 2>/dev/null; ls -A /workspace');
      expect(stdout).toBe('');
    });
  });
});

describe.skipIf(!engine.available)(`building the image${missing}`, { timeout: TEST_MS }, () => {
  const installation = new DockerInstallation();
  let directory: string;

  beforeAll(async () => {
    directory = await fs.mkdtemp(path.join(os.tmpdir(), 'codex-mcp-context-'));
  });

  afterAll(() => fs.rm(directory, { recursive: true }));

  async function dockerfile(...lines: string[]): Promise<DockerRuntime> {
    const text = ['ARG BASE_IMAGE', `FROM \${BASE_IMAGE}`, ...lines].join('\n');
    await fs.writeFile(path.join(directory, 'Dockerfile'), text);
    return installation.runtime({}, directory);
  }

  it('shows each step, and once for concurrent calls', async () => {
    const runtime = await dockerfile('COPY extra-ca.crt /ca', `RUN echo hello-${Date.now()}`);
    const lines: string[][] = [[], []];
    await Promise.all(lines.map((own) => runtime.prepare((line) => own.push(line))));
    const { image, present } = await runtime.readiness();
    expect(present).toBe(true);
    await new Docker().getImage(image).remove();
    for (const own of lines) {
      expect(own.filter((line) => /^hello-\d+$/.test(line))).toHaveLength(1);
      expect(own.some((line) => line.startsWith('Step 3/4 : COPY'))).toBe(true);
    }
  });

  it('fails with the last lines of the output', async () => {
    const runtime = await dockerfile('RUN echo the reason is here && exit 9');
    const failure = runtime.prepare(() => {});
    await expect(failure).rejects.toMatchObject({ code: 'image_build_failed' });
    await expect(failure).rejects.toThrow(/the reason is here[\s\S]*non-zero code: 9/);
    expect(await runtime.readiness()).toMatchObject({ present: false });
  });

  it('says that the base image is missing', async () => {
    await dockerfile();
    const settings = { AGENT_BASE_IMAGE: 'codex-mcp-test/missing:none' };
    const failure = installation.runtime(settings, directory).prepare(() => {});
    await expect(failure).rejects.toMatchObject({ code: 'image_build_failed' });
    await expect(failure).rejects.toThrow(
      /base image codex-mcp-test\/missing:none .*AGENT_BASE_IMAGE/,
    );
  });

  it('says that a file of authorities cannot be read', async () => {
    const failure = installation.runtime({ EXTRA_CA_CERTS: '/no/file' }).prepare(() => {});
    await expect(failure).rejects.toMatchObject({ code: 'image_build_failed' });
    await expect(failure).rejects.toThrow('/no/file');
  });
});
