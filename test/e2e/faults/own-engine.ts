import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { settingsSchema } from '../../../src/config/settings.ts';
import { AgentImage } from '../../../src/runtime/docker/agent-image.ts';
import { Engine } from '../../../src/runtime/docker/engine.ts';
import { extraAuthorities } from '../../setup/engine.ts';

const POLL_MS = 50;
const START_LIMIT_MS = 30_000;
const CONTAINERD_PID = 'exec/containerd/containerd.pid';

/** A Docker engine that a test may kill: nobody else uses it. Disposal ends it and all that it ran. */
export type OwnEngine = AsyncDisposable & {
  /** For DOCKER_HOST. */
  readonly host: string;
  /** As a crash does; its containers run on for now. */
  kill(): Promise<void>;
  /** Resolves when it answers. With `liveRestore` its containers outlive it, else it ends those of a killed one. */
  start(options: { liveRestore: boolean }): Promise<void>;
};

/**
 * Starts a second dockerd that has the agent image. Its own network namespace is what keeps it from
 * taking the bridge of the first one away.
 */
export async function startOwnEngine(options: { liveRestore: boolean }): Promise<OwnEngine> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-engine-'));
  const dataRoot = path.join(directory, 'data');
  const host = `unix://${directory}/docker.sock`;
  const docker = new Docker({ socketPath: `${directory}/docker.sock` });
  await lendImages(dataRoot);
  const log = fs.openSync(path.join(directory, 'log'), 'a');
  let daemon: ChildProcess | undefined;
  const start = async ({ liveRestore }: { liveRestore: boolean }) => {
    const args = [
      ...['--data-root', dataRoot, '--exec-root', `${directory}/exec`, '-H', host],
      ...['--pidfile', `${directory}/pid`, '--bridge=none', '--iptables=false'],
      ...['--ip-forward=false', `--live-restore=${liveRestore}`],
    ];
    daemon = spawn('unshare', ['--net', 'dockerd', ...args], { stdio: ['ignore', log, log] });
    const deadline = performance.now() + START_LIMIT_MS;
    while (!(await answers(docker))) {
      if (daemon.exitCode !== null || performance.now() > deadline) {
        throw new Error(fs.readFileSync(path.join(directory, 'log'), 'utf8').slice(-2_000));
      }
      await sleep(POLL_MS);
    }
  };
  await start(options);
  await ensureImage(docker, host);
  return {
    host,
    start,
    async kill() {
      await end(daemon, 'SIGKILL');
      // Its containerd dies with it; where nobody reaps that, the next dockerd would take it for alive.
      fs.rmSync(path.join(directory, CONTAINERD_PID), { force: true });
    },
    async [Symbol.asyncDispose]() {
      if (!(await answers(docker))) await start(options);
      for (const { Id } of await docker.listContainers({ all: true })) {
        await docker.getContainer(Id).remove({ force: true });
      }
      await end(daemon, 'SIGTERM');
      fs.closeSync(log);
      await clear(directory);
    },
  };
}

/**
 * Layers never change, so that another engine can read those of the first one in their place; to
 * save and load them takes 20 s.
 */
async function lendImages(dataRoot: string): Promise<void> {
  const { DockerRootDir: root, Driver: driver } = await new Docker().info();
  const layers = path.join(root, 'image', driver, 'layerdb/sha256');
  if (driver !== 'overlay2' || !fs.existsSync(layers)) return;
  fs.cpSync(path.join(root, 'image'), path.join(dataRoot, 'image'), {
    recursive: true,
    filter: (source) => !/layerdb\/(mounts|tmp)$/.test(source),
  });
  const links = path.join(dataRoot, driver, 'l');
  fs.mkdirSync(links, { recursive: true });
  for (const layer of fs.readdirSync(layers)) {
    const id = fs.readFileSync(path.join(layers, layer, 'cache-id'), 'utf8').trim();
    const files = path.join(root, driver, id);
    fs.symlinkSync(files, path.join(dataRoot, driver, id));
    const link = fs.readFileSync(path.join(files, 'link'), 'utf8').trim();
    fs.symlinkSync(`../${id}/diff`, path.join(links, link));
  }
}

async function ensureImage(docker: Docker, host: string): Promise<void> {
  const authorities = extraAuthorities();
  const config = settingsSchema.parse({
    DOCKER_HOST: process.env.DOCKER_HOST,
    ...(authorities && { EXTRA_CA_CERTS: authorities }),
  });
  const engine = new Engine(config);
  const image = new AgentImage({ engine, config });
  await image.ensure(() => undefined);
  const name = await image.name();
  const present = await docker
    .getImage(name)
    .inspect()
    .then(
      () => true,
      () => false,
    );
  if (!present) execFileSync('sh', ['-c', `docker save ${name} | docker -H ${host} load`]);
}

async function end(daemon: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exited = once(daemon, 'exit');
  daemon.kill(signal);
  await exited;
}

/** Ends what a killed engine left running, and removes all files. */
async function clear(directory: string): Promise<void> {
  const pidFile = path.join(directory, CONTAINERD_PID);
  if (fs.existsSync(pidFile)) kill(Number(fs.readFileSync(pidFile, 'utf8')));
  await sleep(POLL_MS);
  const mounts = fs.readFileSync('/proc/self/mounts', 'utf8');
  for (const [, mount = ''] of mounts.matchAll(/^\S+ (\S+)/gm)) {
    if (mount.startsWith(`${directory}/`)) execFileSync('umount', ['--lazy', mount]);
  }
  fs.rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with its engine.
  }
}

function answers(docker: Docker): Promise<boolean> {
  return docker.ping().then(
    () => true,
    () => false,
  );
}
