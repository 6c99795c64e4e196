import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { freePort } from '../machine/free-port.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import { Product } from './product.ts';
import type { Section } from './section.ts';

const run = promisify(execFile);
const FILES = 10_000;
const FILE_BYTES = 50_000;
const DIRECTORIES = 100;
/** Files that later commits change: each directory's first ones. */
const CHANGED_FILES = 200;
/** Each round moves some gigabytes. */
const SHARE_OF_ROUNDS = 1 / 20;
const RATIO_AIM = 2;

const OPERATIONS = ['push all', 'clone', 'push', 'fetch', 'pull'] as const;
const DAEMON = 'git daemon';
const AGENT = 'agent';
type Samples = Record<string, number[]>;

/** What git costs through the server and a container, beside a daemon of git's own on the same machine. */
export function measureGit(context: BenchContext, _docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const { cleanup, rounds, interrupted } = own;
    const directory = await mkdtemp(path.join(os.tmpdir(), 'codex-mcp-bench-git-'));
    cleanup.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    const product = await Product.start('docker', own);
    const daemon = await startDaemon(directory, cleanup);
    const samples: Samples = {};
    for (let round = 0; round < Math.max(1, rounds * SHARE_OF_ROUNDS); round += 1) {
      interrupted.throwIfAborted();
      const seed = path.join(directory, `seed-${round}`);
      await makeRepository(seed);
      const agent = `${product.server.url}/agents/bench-${round}/workspace.git`;
      // An agent that is new would cost its start as well.
      await product.call('plan', { task: 'x', agent_id: `bench-${round}` });
      const remotes = { [DAEMON]: await daemon.add(`${round}`), [AGENT]: agent };
      await measureRound(seed, remotes, samples);
      await rm(seed, { recursive: true });
    }
    const rows = Object.entries(samples).map(([name, taken]) => {
      const baseline = name.replace(AGENT, DAEMON);
      return { name, samples: taken, ...(baseline !== name && { baseline }) };
    });
    const aims = OPERATIONS.map((operation) => ({
      row: `${operation}, ${AGENT}`,
      ratioAtMost: RATIO_AIM,
    }));
    const title = `Git: ${FILES} files of ${FILE_BYTES / 1000} KB; later commits change ${CHANGED_FILES} of them`;
    return [{ title, unit: 's', rows, aims }];
  });
}

async function measureRound(
  seed: string,
  remotes: Record<string, string>,
  samples: Samples,
): Promise<void> {
  const clones = Object.keys(remotes).map((way) => `${seed}-${way.replace(' ', '-')}`);
  const each = async (operation: string, command: (remote: string, clone: string) => string[]) => {
    for (const [index, [way, remote]] of Object.entries(remotes).entries()) {
      const began = performance.now();
      await git(command(remote, clones[index] ?? ''));
      const name = `${operation}, ${way}`;
      samples[name] = [...(samples[name] ?? []), (performance.now() - began) / 1000];
    }
  };
  await each('push all', (remote) => ['-C', seed, 'push', '-q', remote, 'main']);
  await each('clone', (remote, clone) => ['clone', '-q', remote, clone]);
  await commitChange(seed);
  await each('push', (remote) => ['-C', seed, 'push', '-q', remote, 'main']);
  await each('fetch', (_remote, clone) => ['-C', clone, 'fetch', '-q']);
  await commitChange(seed);
  for (const remote of Object.values(remotes))
    await git(['-C', seed, 'push', '-q', remote, 'main']);
  await each('pull', (_remote, clone) => ['-C', clone, 'pull', '-q']);
  for (const clone of clones) await rm(clone, { recursive: true });
}

async function git(args: string[]): Promise<void> {
  const identity = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'gc.auto=0'];
  await run('git', [...identity, ...args]);
}

async function makeRepository(directory: string): Promise<void> {
  await git(['init', '-q', '-b', 'main', directory]);
  await writeFiles(directory, FILES);
  await git(['-C', directory, 'add', '.']);
  await git(['-C', directory, 'commit', '-q', '-m', 'all']);
  await git(['-C', directory, 'repack', '-a', '-d', '-q']);
}

async function commitChange(directory: string): Promise<void> {
  await writeFiles(directory, CHANGED_FILES);
  await git(['-C', directory, 'commit', '-q', '-a', '-m', 'some']);
}

async function writeFiles(directory: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const parent = path.join(directory, `directory-${index % DIRECTORIES}`);
    if (index < DIRECTORIES) await mkdir(parent, { recursive: true });
    const bytes = randomBytes((FILE_BYTES * 3) / 4);
    await writeFile(path.join(parent, `file-${index}`), bytes.toString('base64'));
  }
}

/** Git's own server for git, over the same kind of repositories as workspaces are. */
async function startDaemon(directory: string, cleanup: AsyncDisposableStack) {
  const port = await freePort();
  const options = ['--export-all', '--enable=receive-pack', '--reuseaddr', '--listen=127.0.0.1'];
  const child = spawn(
    'git',
    ['daemon', `--port=${port}`, `--base-path=${directory}`, ...options, directory],
    { stdio: 'ignore', detached: true },
  );
  cleanup.defer(() => void (child.pid && process.kill(-child.pid, 'SIGTERM')));
  await sleep(500);
  return {
    async add(name: string): Promise<string> {
      const repository = path.join(directory, `served-${name}`);
      await git(['init', '-q', '-b', 'main', repository]);
      await git(['-C', repository, 'config', 'receive.denyCurrentBranch', 'updateInstead']);
      return `git://127.0.0.1:${port}/served-${name}/.git`;
    },
  };
}
