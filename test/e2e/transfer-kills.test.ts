import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { containerOf, GitClient, remoteOf } from './git-client.ts';
import { freezeContainer, type Home, holdPlacing, inWorkspaceOf } from './held-shell.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const run = promisify(execFile);
/** How long a caller may wait for the news. */
const NEWS_MS = 20_000;

const PACK_ARRIVES =
  'set -- .git/objects/tmp_objdir-incoming-*/pack/tmp_pack*; [ -s "$1" ] || { set -- .git/objects/incoming-*/pack/tmp_pack*; [ -s "$1" ]; }';
const FILES_CHANGE = '[ -e .git/unfinished-push ] && [ -e many/100 ]';
const UPLOAD_ARRIVES = '[ -s .codex-mcp-staging/tree/big ]';
const UPLOAD_IS_PLACED = '[ -e .codex-mcp-staging/order.json ]';
/** So many that what takes their place is at work for a while. */
const MANY = 1500;
const LEFT = "find . -name '*.lock' -o -name 'tmp_*' -o -name 'incoming-*' -o -name '.codex-mcp-*'";

describe.runIf(engine.available)(
  'a container killed in the middle of a transfer',
  {
    timeout: 240_000,
  },
  () => {
    let server: TestServer;
    let mine: GitClient;

    beforeAll(async () => {
      server = await startTestServer({ runtime: 'docker', script: answerAnything });
      mine = await GitClient.repository({ 'a.txt': 'one\n', 'gone.txt': 'gone\n' });
      await mine.git('push', '-q', remoteOf(server, 'a'), 'main');
    }, 300_000);
    afterAll(async () => {
      mine?.[Symbol.dispose]();
      await server?.[Symbol.asyncDispose]();
    });

    const home = async (): Promise<Home> => ({
      ...{ dataDir: server.dataDir, agentId: 'a', container: await containerOf(server, 'a') },
    });
    const look = async (script: string) => inWorkspaceOf(await home(), script);
    /**
     * Begins something, and kills the container when it has come to a moment of it; answers how it ended.
     * On a busy machine that moment may be missed: then it is begun once more.
     */
    async function killedAt<T>(moment: string, begin: () => Promise<T>, tries = 5): Promise<T> {
      const at = await home();
      const hold = moment === UPLOAD_IS_PLACED ? holdPlacing : freezeContainer;
      const { held } = await hold(at, moment);
      const ended = begin();
      const isMissed = await held.then(
        () => false,
        () => true,
      );
      if (isMissed) {
        await ended;
        if (tries > 1) return killedAt(moment, begin, tries - 1);
        throw new Error(`The container was never seen at ${moment}.`);
      }
      execFileSync('docker', ['kill', at.container ?? ''], { stdio: 'ignore' });
      const late = sleep(NEWS_MS, undefined, { ref: false }).then(() => {
        throw new Error('Nobody was told.');
      });
      return Promise.race([ended, late]);
    }

    test.each([
      { moment: 'while its pack arrives', condition: PACK_ARRIVES },
      { moment: 'while it writes files', condition: FILES_CHANGE },
    ])('a push fails $moment, and can be repeated', async ({ condition }) => {
      const before = await mine.git('ls-remote', remoteOf(server, 'a'));
      const files = await look('git status --porcelain; git ls-files -s');
      const many = someFiles(1000).map((name) => [`many/${name}`, `${Math.random()}`]);
      await mine.git('rm', '-q', '--ignore-unmatch', 'gone.txt');
      await mine.commit({ ...Object.fromEntries(many), 'big.bin': randomBytes(5_000_000) });
      const failed = await killedAt(condition, () =>
        mine.try('push', '-q', remoteOf(server, 'a'), 'main'),
      );
      expect(failed.code, failed.output).not.toBe(0);
      expect(failed.output).toMatch(/error|fatal|remote/i);
      expect(await mine.git('ls-remote', remoteOf(server, 'a'))).toBe(before);
      expect(await look('git status --porcelain; git ls-files -s')).toBe(files);
      await mine.git('push', '-q', remoteOf(server, 'a'), 'main');
      const tip = await mine.git('rev-parse', 'HEAD');
      expect(await look(`git rev-parse HEAD; git status --porcelain; ${LEFT}`)).toBe(`${tip}\n`);
      expect(await look('git fsck --full 2>&1')).not.toMatch(/error|missing|corrupt|broken/);
    });

    const url = () => `${server.url}/api/v1/agents/a/files`;
    const upload = async (archive: string) => {
      const { stdout } = await run('curl', [
        '-sS',
        '-m',
        '60',
        '-T',
        archive,
        `${url()}?replace=true`,
      ]);
      return JSON.parse(stdout);
    };

    test('an upload is not taken that had not arrived, and finished that had', async () => {
      using files = new GitClient();
      const archive = (content: string) => {
        files.write({
          [`${content}/big`]: randomBytes(5_000_000),
          [`${content}/${content}`]: content,
        });
        files.write(
          Object.fromEntries(someFiles(MANY).map((name) => [`${content}/d/${name}`, ''])),
        );
        const tar = files.path(`${content}.tar`);
        execFileSync('tar', ['-C', files.path(content), '-cf', tar, '.']);
        return tar;
      };
      expect(await upload(archive('old'))).toMatchObject({ files: MANY + 2 });
      const next = archive('new');
      const lost = await killedAt(UPLOAD_ARRIVES, () => upload(next));
      expect(lost).toMatchObject({ error: { code: 'container_lost' } });
      await mine.git('ls-remote', remoteOf(server, 'a'));
      expect(await look(`ls; cat old; ${LEFT}`)).toBe('big\nd\nold\nold');
      const late = await killedAt(UPLOAD_IS_PLACED, () => upload(next));
      expect(late).toMatchObject({ error: { code: 'container_lost' } });
      await mine.git('ls-remote', remoteOf(server, 'a'));
      expect(await look(`ls; cat new; ${LEFT}`)).toBe('big\nd\nnew\nnew');
      expect(await upload(next)).toMatchObject({ files: MANY + 2 });
    });

    test('a restore is all of it, files and settings, or nothing', async () => {
      await using client = await connect(server);
      const configure = (instructions?: string) =>
        call(client, 'configure_agent', { agent_id: 'a', ...(instructions && { instructions }) });
      await mine.git('ls-remote', remoteOf(server, 'a'));
      await look(
        'rm -rf *; seq 1500 | xargs touch; head -c 5000000 /dev/urandom > big; echo old > f',
      );
      await configure('old');
      const { snapshot_id } = await call(client, 'snapshot', { agent_id: 'a' });
      await look('echo new > f');
      await configure('new');
      const restore = () => call(client, 'restore', { snapshot_id, agent_id: 'a', replace: true });
      for (const [condition, expected] of [
        [UPLOAD_ARRIVES, 'new'],
        [UPLOAD_IS_PLACED, 'old'],
      ] as const) {
        const error = await killedAt(condition, () => restore().catch((reason) => reason));
        expect(error).toMatchObject({ code: 'container_lost' });
        await mine.git('ls-remote', remoteOf(server, 'a'));
        expect(await look(`cat f; ${LEFT}`)).toBe(`${expected}\n`);
        expect((await configure()).instructions).toBe(expected);
      }
    });

    test('a download is cut, and not taken for whole', async () => {
      await mine.git('ls-remote', remoteOf(server, 'a'));
      await look('head -c 30000000 /dev/urandom > big');
      const request = http.get(url());
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
      await once(answer, 'readable');
      execFileSync('docker', ['kill', (await home()).container ?? ''], { stdio: 'ignore' });
      await expect(text(answer)).rejects.toThrow(/aborted/);
    });
  },
);

function someFiles(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}
