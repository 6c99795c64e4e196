import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { call, connect } from './test-server.ts';

/** Nothing of the user who runs the tests. */
const ENVIRONMENT = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
  GIT_AUTHOR_NAME: 'Ann',
  GIT_AUTHOR_EMAIL: 'ann@localhost',
  GIT_COMMITTER_NAME: 'Ann',
  GIT_COMMITTER_EMAIL: 'ann@localhost',
};

export type GitResult = { code: number; output: string };

/** A directory with stock git in it, which goes with its disposal. */
export class GitClient implements Disposable {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-git-'));

  /** Runs git; answers its status and all that it said. */
  try(...args: string[]): Promise<GitResult> {
    return new Promise((resolve) => {
      const options = { cwd: this.directory, env: ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 };
      const child = execFile('git', args, options, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
      );
      child.stdin?.end();
    });
  }

  /** Runs git, which must succeed. */
  async git(...args: string[]): Promise<string> {
    const { code, output } = await this.try(...args);
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${output}`);
    return output.trim();
  }

  /** Begins a command of git, to be killed. */
  begin(...args: string[]) {
    const child = spawn('git', args, { cwd: this.directory, env: ENVIRONMENT, detached: true });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const kill = () => {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
      return ended;
    };
    return { kill, ended };
  }

  /** A repository with one commit of these files, as a client in it. */
  static async repository(files: Record<string, string | Buffer>): Promise<GitClient> {
    const client = new GitClient();
    await client.git('init', '-q', '-b', 'main');
    await client.commit(files);
    return client;
  }

  /** Answers the id of the commit. */
  async commit(files: Record<string, string | Buffer>): Promise<string> {
    this.write(files);
    await this.git('add', '-A');
    await this.git('commit', '-q', '-m', 'x');
    return this.git('rev-parse', 'HEAD');
  }

  write(files: Record<string, string | Buffer>): void {
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(this.path(name)), { recursive: true });
      fs.writeFileSync(this.path(name), content);
    }
  }

  read(name: string): string {
    return fs.readFileSync(this.path(name), 'utf8');
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

export function remoteOf({ url }: { url: string }, agentId: string): string {
  return `${url}/agents/${agentId}/workspace.git`;
}

/** Runs a command in the workspace of an agent that is awake, in its container if it has one; answers what it printed. */
export function inWorkspace(
  dataDir: string,
  container: string,
  agentId: string,
  command: string,
): string {
  if (container === '') {
    const cwd = path.join(dataDir, 'agents', agentId, 'workspace');
    return execFileSync('sh', ['-c', command], { cwd, encoding: 'utf8', env: ENVIRONMENT });
  }
  const environment = Object.entries(ENVIRONMENT).filter(([name]) => name.startsWith('GIT_'));
  const flags = environment.flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const args = ['exec', ...flags, container, 'sh', '-c', command];
  return execFileSync('docker', args, { encoding: 'utf8' });
}

export async function containerOf(server: { url: string }, agentId: string): Promise<string> {
  await using client = await connect(server);
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}
