import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { containerOf, GitClient, remoteOf } from './git-client.ts';
import { freezeContainer, type Home, holdPlacing, inWorkspaceOf } from './held-shell.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const run = promisify(execFile);
/** How long a caller may wait for the news. */
const NEWS_MS = 20_000;
/** So many that what takes their place is at work for a while. */
const MANY = 1500;
const LEFT = "find . -name '*.lock' -o -name 'tmp_*' -o -name 'incoming-*' -o -name '.codex-mcp-*'";

/** Moments of transfers, as conditions that a shell in the workspace reads. */
export const PACK_ARRIVES =
  'set -- .git/objects/tmp_objdir-incoming-*/pack/tmp_pack*; [ -s "$1" ] || { set -- .git/objects/incoming-*/pack/tmp_pack*; [ -s "$1" ]; }';
export const FILES_CHANGE = '[ -e .git/unfinished-push ] && [ -e many/100 ]';
export const UPLOAD_ARRIVES = '[ -s .codex-mcp-staging/tree/big ]';
export const UPLOAD_IS_PLACED = '[ -e .codex-mcp-staging/order.json ]';

/** Agent `a` in a container of its own, and a repository that was pushed to it. */
export class KilledTransfers implements AsyncDisposable {
  readonly #server: TestServer;
  readonly #mine: GitClient;

  private constructor(server: TestServer, mine: GitClient) {
    this.#server = server;
    this.#mine = mine;
  }

  static async start(): Promise<KilledTransfers> {
    const server = await startTestServer({ runtime: 'docker', script: answerAnything });
    const mine = await GitClient.repository({ 'a.txt': 'one\n', 'gone.txt': 'gone\n' });
    await mine.git('push', '-q', remoteOf(server, 'a'), 'main');
    return new KilledTransfers(server, mine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#mine[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  async expectPushFailsAndIsRepeated(moment: string): Promise<void> {
    const mine = this.#mine;
    const before = await this.#refs();
    const files = await this.#look('git status --porcelain; git ls-files -s');
    const many = someFiles(1000).map((name) => [`many/${name}`, `${Math.random()}`]);
    await mine.git('rm', '-q', '--ignore-unmatch', 'gone.txt');
    await mine.commit({ ...Object.fromEntries(many), 'big.bin': randomBytes(5_000_000) });
    const failed = await this.#killedAt(moment, () =>
      mine.try('push', '-q', remoteOf(this.#server, 'a'), 'main'),
    );
    expect(failed.code, failed.output).not.toBe(0);
    expect(failed.output).toMatch(/error|fatal|remote/i);
    expect(await this.#refs()).toBe(before);
    expect(await this.#look('git status --porcelain; git ls-files -s')).toBe(files);
    await mine.git('push', '-q', remoteOf(this.#server, 'a'), 'main');
    const tip = await mine.git('rev-parse', 'HEAD');
    expect(await this.#look(`git rev-parse HEAD; git status --porcelain; ${LEFT}`)).toBe(
      `${tip}\n`,
    );
    expect(await this.#look('git fsck --full 2>&1')).not.toMatch(/error|missing|corrupt|broken/);
  }

  /** What had not arrived is dropped, what had is finished. */
  async expectUploadIsWhole(moment: string, { isTaken }: { isTaken: boolean }): Promise<void> {
    using files = new GitClient();
    const [before, next] = [archive(files, 'old'), archive(files, 'new')];
    expect(await this.#upload(before)).toMatchObject({ files: MANY + 2 });
    const lost = await this.#killedAt(moment, () => this.#upload(next), {
      again: () => this.#upload(before),
    });
    expect(lost).toMatchObject({ error: { code: 'container_lost' } });
    await this.#refs();
    const found = isTaken ? 'new' : 'old';
    expect(await this.#look(`ls; cat ${found}; ${LEFT}`)).toBe(`big\nd\n${found}\n${found}`);
    expect(await this.#upload(next)).toMatchObject({ files: MANY + 2 });
  }

  /** Each moment with what the agent has in the end: what it had, or what the snapshot has. */
  async expectRestoreIsWhole(moments: readonly [string, 'new' | 'old'][]): Promise<void> {
    await using client = await connect(this.#server);
    const configure = (instructions?: string) =>
      call(client, 'configure_agent', { agent_id: 'a', ...(instructions && { instructions }) });
    await this.#refs();
    await this.#look(
      'rm -rf *; seq 1500 | xargs touch; head -c 5000000 /dev/urandom > big; echo old > f',
    );
    await configure('old');
    const { snapshot_id } = await call(client, 'snapshot', { agent_id: 'a' });
    const change = async () => {
      await this.#look('echo new > f');
      await configure('new');
    };
    await change();
    const restore = () => call(client, 'restore', { snapshot_id, agent_id: 'a', replace: true });
    for (const [moment, expected] of moments) {
      const error = await this.#killedAt(moment, () => restore().catch((reason) => reason), {
        again: change,
      });
      expect(error).toMatchObject({ code: 'container_lost' });
      await this.#refs();
      expect(await this.#look(`cat f; ${LEFT}`)).toBe(`${expected}\n`);
      expect((await configure()).instructions).toBe(expected);
    }
  }

  async expectDownloadIsCut(): Promise<void> {
    await this.#refs();
    await this.#look('head -c 30000000 /dev/urandom > big');
    const request = http.get(this.#files);
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(answer, 'readable');
    execFileSync('docker', ['kill', (await this.#home()).container ?? ''], { stdio: 'ignore' });
    await expect(text(answer)).rejects.toThrow(/aborted/);
  }

  get #files(): string {
    return `${this.#server.url}/api/v1/agents/a/files`;
  }

  /** Wakes the agent too. */
  #refs(): Promise<string> {
    return this.#mine.git('ls-remote', remoteOf(this.#server, 'a'));
  }

  async #home(): Promise<Home> {
    const container = await containerOf(this.#server, 'a');
    return { dataDir: this.#server.dataDir, agentId: 'a', container };
  }

  async #look(script: string): Promise<string> {
    return inWorkspaceOf(await this.#home(), script);
  }

  async #upload(archive: string) {
    const url = `${this.#files}?replace=true`;
    const { stdout } = await run('curl', ['-sS', '-m', '60', '-T', archive, url]);
    return JSON.parse(stdout);
  }

  /**
   * Begins something, and kills the container when it has come to a moment of it; answers how it ended.
   * On a busy machine that moment may be missed: where it can be made `again` what it was before, it is
   * begun once more.
   */
  async #killedAt<T>(
    moment: string,
    begin: () => Promise<T>,
    { again, tries = 5 }: { again?: () => Promise<unknown>; tries?: number } = {},
  ): Promise<T> {
    const at = await this.#home();
    const hold = moment === UPLOAD_IS_PLACED ? holdPlacing : freezeContainer;
    const { held } = await hold(at, moment);
    const ended = begin();
    const isMissed = await held.then(
      () => false,
      () => true,
    );
    if (isMissed) {
      await ended;
      if (!again || tries === 1) throw new Error(`The container was never seen at ${moment}.`);
      await again();
      return this.#killedAt(moment, begin, { again, tries: tries - 1 });
    }
    execFileSync('docker', ['kill', at.container ?? ''], { stdio: 'ignore' });
    const late = sleep(NEWS_MS, undefined, { ref: false }).then(() => {
      throw new Error('Nobody was told.');
    });
    return Promise.race([ended, late]);
  }
}

/** An archive with many files, of which one has the name and the content. */
function archive(files: GitClient, content: string): string {
  files.write({
    [`${content}/big`]: randomBytes(5_000_000),
    [`${content}/${content}`]: content,
  });
  files.write(Object.fromEntries(someFiles(MANY).map((name) => [`${content}/d/${name}`, ''])));
  const tar = files.path(`${content}.tar`);
  execFileSync('tar', ['-C', files.path(content), '-cf', tar, '.']);
  return tar;
}

function someFiles(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}
