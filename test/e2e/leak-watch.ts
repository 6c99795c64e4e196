import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import { AgentDirectory } from '../../src/runtime/process/agent-directory.ts';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { CLIENTS } from '../transports/mcp/clients.ts';
import { createWorld, kill, type Main, submitted, type World, waited } from './main-process.ts';
import { inspector, type Resources } from './resources.ts';
import { call, connect } from './test-server.ts';

const engine = inject('engine');
/** Found by its name among those of others on the engine. */
const AGENT = `leaky-${randomBytes(4).toString('hex')}`;
const AT_ONCE = 2;
/** Connections that clients keep for the next request. */
const SLACK = 4;

export const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' });

/** Kills two servers in each round, and expects the programs and files that were there before. */
export async function killedServersLeaveNothing(
  runtime: RuntimeKind,
  rounds: number,
): Promise<void> {
  using temporary = temporaryDirectory();
  await using world = await createWorld(runtime, { environment: { TMPDIR: temporary.path } });
  world.model.setScript(runsOnce('sleep 0.5; echo x >> x.txt'));
  let server = await world.start();
  await worksWith(server);
  const look = () => ({
    programs: programsOf(world),
    files: [...filesOf(world), ...fs.readdirSync(temporary.path)],
  });
  await expect.poll(() => look().programs.length).toBeGreaterThan(3);
  const before = look();
  for (let round = 0; round < rounds; round++) {
    const turnId = await submitted(server, 'implement', { task: 'x', agent_id: AGENT });
    await sleep(round * 300);
    await kill(server, 'SIGKILL');
    // One that dies while it prepares its runtime.
    const doomed = await world.start();
    await sleep(round * 80);
    await kill(doomed, 'SIGKILL');
    server = await world.start();
    await waited(server, turnId);
  }
  await worksWith(server);
  await expect.poll(look).toEqual(before);
}

/** Has clients of every kind come and go, and expects what was held before, with some slack. */
export async function departedClientsLeaveNothing(sessions: number): Promise<void> {
  await using world = await inspectedWorld('process', { MCP_SESSION_IDLE: '1' });
  const { server, before, look } = world;
  for (const [, connectClient] of CLIENTS) {
    for (let session = 0; session < sessions; session++) {
      await using client = await connectClient(server.url, 'visitor');
      if (session === 0) await client.list();
    }
    await expect.poll(async () => excess(before, await look())).toEqual([]);
  }
}

export async function worksWith(server: Main): Promise<void> {
  await using client = await connect(server);
  await call(client, 'implement', { task: 'x', agent_id: AGENT });
}

/** A server, and what it held once an agent had been woken and stopped. */
export async function inspectedWorld(runtime: RuntimeKind, settings: Record<string, string> = {}) {
  const { NODE_OPTIONS, look } = await inspector();
  const world = await createWorld(runtime, { environment: { NODE_OPTIONS, ...settings } });
  const server = await world.start();
  await wakeAndStop(server, 1);
  await look(server);
  const before = await look(server);
  return {
    server,
    before,
    look: () => look(server),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** As many agents at a time as make no difference to how long one takes. */
export async function wakeAndStop(server: Main, cycles: number): Promise<void> {
  await using client = await connect(server);
  for (let woken = 0; woken < cycles; woken += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, (_, index) => `sleeper-${index}`);
    await Promise.all(ids.map((id) => call(client, 'plan', { task: 'x', agent_id: id })));
    const { agents } = await call(client, 'cleanup_inactive_agents');
    expect(agents).toEqual(ids.map(() => expect.objectContaining({ outcome: 'stopped' })));
  }
}

export function excess(before: Resources, now: Resources): string[] {
  const grown = Object.keys(now.active).filter(
    (kind) => (now.active[kind] ?? 0) > (before.active[kind] ?? 0) + SLACK,
  );
  return now.fds > before.fds + SLACK ? [...grown, `${now.fds} files, not ${before.fds}`] : grown;
}

/** The names of the programs that run for the agent, wherever it runs. */
export function programsOf({ dataDir }: World): string[] {
  const inContainers = containers().flatMap((id) => {
    const [, ...rows] = docker('top', id, '-o', 'pid,comm').trim().split('\n');
    return rows.map((row) => row.trim().split(/\s+/)[1] ?? '');
  });
  const mark = directoryOf(dataDir).marker.join('=');
  const processes = fs.readdirSync('/proc').filter((pid) => isMarked(pid, mark));
  return [...inContainers, ...processes.map(nameOf)].sort();
}

/** What servers and agents keep in the data directory. */
function filesOf({ dataDir }: World): string[] {
  const { root, temporary } = directoryOf(dataDir);
  const directories = [dataDir, path.dirname(root), root, temporary];
  return directories.flatMap((directory) =>
    namesIn(directory).map((name) => path.relative(dataDir, path.join(directory, name))),
  );
}

function temporaryDirectory(): Disposable & { path: string } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-leaks-'));
  return {
    path: directory,
    [Symbol.dispose]: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}

export function containers(): string[] {
  if (!engine.available) return [];
  return docker('ps', '-q', '--filter', `label=${LABELS.agent}=${AGENT}`)
    .split('\n')
    .filter(Boolean);
}

const directoryOf = (dataDir: string) => new AgentDirectory(path.join(dataDir, 'agents'), AGENT);

function isMarked(pid: string, mark: string): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
  } catch {
    return false;
  }
}

function nameOf(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}
