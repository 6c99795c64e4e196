import { execFileSync } from 'node:child_process';
import tls from 'node:tls';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { GitCredentials } from '../../src/gateway/credentials/git-credentials.ts';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { type StandInForge, startForge } from '../gateway/egress/stand-in-forge.ts';
import { hostGateway } from './compose-project.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const SECRET = 'ghp-very-secret-4711';
const LS = 'ls -A -I .agents -I .aws -I .codex';

describe('files as a source, without an engine', () => {
  let server: TestServer;
  let command = '';
  beforeAll(async () => {
    server = await startTestServer({
      runtime: 'process',
      script: ({ toolOutputs, schema }) =>
        toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema)),
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const work = async (tool: string, args: object, script = LS) => {
    command = script;
    await using client = await connect(server);
    const result = await call(client, tool, { task: 'x', agent_id: 'a', ...args });
    return { result, seen: server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '' };
  };

  test('any working tool takes files, applies them once and leaves a filled workspace alone', async () => {
    const files = [
      { path: 'src/a.txt', content: 'hello' },
      { path: 'run.sh', content: '#!/bin/sh\necho ran', executable: true },
      { path: 'b.bin', content: Buffer.from([0, 255]).toString('base64'), encoding: 'base64' },
    ];
    const source = { files };
    const first = await work('plan', { source }, './run.sh; cat src/a.txt; wc -c b.bin');
    expect(first.seen).toContain('ran\nhello2 b.bin');
    expect(first.result.undone_changes).toEqual([]);
    await work('implement', { source }, 'echo mine > src/a.txt');
    expect((await work('plan', { source }, 'cat src/a.txt')).seen).toContain('mine');
    const other = { files: [{ path: 'only.txt', content: 'o' }] };
    const asked = server.model.requests.length;
    await expect(work('plan', { source: other })).rejects.toThrow('workspace_not_empty');
    expect(server.model.requests.length).toBe(asked);
    const replaced = await work('implement', { source: { ...other, replace: true } });
    expect(replaced.seen).toMatch(/\.git\nonly\.txt\n/);
    expect(replaced.result.changes).toEqual([]);
  });

  test('what cannot be a source is refused in words before anything begins', async () => {
    const refusal = (source: object) =>
      work('plan', { agent_id: 'fresh', source }).then(
        () => '',
        (error: Error) => error.message,
      );
    const file = (path: string) => ({ files: [{ path, content: '' }] });
    expect(await refusal({})).toContain('give one of git, files and path');
    expect(await refusal(file('../x'))).toMatch(/invalid_input.*source.files.0.path: .*"\.\."/);
    expect(await refusal(file('.git/hooks/x'))).toContain('is in .git');
    expect(await refusal({ git: { url: 'https://me:pw@h.org/x' } })).toContain(
      'codex-hangar credentials set git:HOST',
    );
    expect(await refusal({ git: { url: 'ssh://h.org/x' } })).toContain('only https://');
    expect(await refusal({ git: { url: 'file:///etc' } })).toContain('only https://');
    expect(await refusal({ git: { url: 'https://h.org/x', ref: '--upload-pack=x' } })).toContain(
      'source.git.ref',
    );
    expect(await refusal({ files: [{ path: 'x', content: '?', encoding: 'base64' }] })).toContain(
      'it is not base64',
    );
    const twice = { files: [...file('x').files, ...file('x').files] };
    expect(await refusal(twice)).toContain('archive_invalid');
    const large = { files: [{ path: 'x', content: 'x'.repeat(1024 * 1024) }] };
    expect(await refusal(large)).toContain('prompt_too_large');
    expect(await refusal({ git: { url: 'https://h.org/x' } })).toMatch(
      /source_denied.*h\.org:443 is not on the allow-list/,
    );
  });

  test('candidates begin with the files of the source, and so does a fork', async () => {
    const source = { files: [{ path: 'x.txt', content: 'x' }] };
    const { result } = await work('implement', { agent_id: 'many', source, candidates: 2 });
    const [{ agent_id: candidate }] = result.candidates;
    expect(result.candidates).toMatchObject([{ changes: [] }, { changes: [] }]);
    expect((await work('plan', { agent_id: candidate, source })).seen).toContain('x.txt');
  });

  test('an agent is begun over HTTP, and waits with its files', async () => {
    const begin = (body: object) =>
      fetch(`${server.url}/api/v1/agents`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const source = { files: [{ path: 'x.txt', content: 'x' }] };
    const made = await begin({ agent_id: 'begun', source });
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({ agent_id: 'begun', filled: true, status: 'idle' });
    const again = await begin({ agent_id: 'begun', source });
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ filled: false });
    expect((await work('plan', { agent_id: 'begun' })).seen).toContain('x.txt');
    expect((await begin({ agent_id: '../x' })).status).toBe(400);
    const named = (await (await begin({})).json()) as { agent_id: string };
    expect(named.agent_id).toMatch(/^agent-/);
  });
});

describe.runIf(engine.available)('repositories as a source', () => {
  let server: TestServer;
  let forge: StandInForge;
  let open: StandInForge;
  let here = '';
  let command = '';
  const authorities = tls.getCACertificates('default');

  beforeAll(async () => {
    here = await hostGateway(new Docker());
    const login = `robot:${SECRET}`;
    forge = await startForge({ host: here, secure: true, login });
    open = await startForge({ host: here });
    tls.setDefaultCACertificates([...authorities, forge.certificate]);
    server = await startTestServer({
      runtime: 'docker',
      script: ({ toolOutputs, schema }) =>
        toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema)),
      environment: {
        CREDENTIALS_KEY: 'k'.repeat(32),
        TRANSFER_MAX_BYTES: '16m',
        TRANSFER_MAX_ENTRIES: '500',
        EGRESS_ALLOW_PRIVATE: `${here}/32`,
        EGRESS_ALLOW: `https://${here}:${forge.port}, http://${here}:${open.port}`,
      },
    });
  }, 300_000);
  afterAll(async () => {
    tls.setDefaultCACertificates(authorities);
    await server[Symbol.asyncDispose]();
    await forge[Symbol.asyncDispose]();
    await open[Symbol.asyncDispose]();
  });

  const work = async (args: object, script = LS) => {
    command = script;
    await using client = await connect(server);
    await call(client, 'implement', { task: 'x', ...args });
    return server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
  };

  test('a private repository is cloned, and its credential is nowhere in the container', async () => {
    const url = `https://${here}:${forge.port}/team/app.git`;
    const source = { git: { url } };
    await expect(work({ agent_id: 'p', source })).rejects.toThrow(
      /source_unauthorized.*answers 401/s,
    );
    await new GitCredentials(server.config).set(
      { host: `${here}:${forge.port}` },
      `robot:${SECRET}`,
    );
    const seen = await work(
      { agent_id: 'p', source },
      'cat second.txt; git branch --show-current; git remote get-url origin; git log --oneline | wc -l; git status --short',
    );
    expect(seen).toContain(`second\nmain\n${url}\n2\n`);
    expect(forge.requests.at(-1)?.authorization).toContain('Basic ');
    const [container] = await new Docker().listContainers({
      filters: { name: ['-p$'], status: ['running'] },
    });
    // The words are put together in there, so that no command line holds them.
    const holding = (...words: string[]) =>
      execFileSync('docker', [
        ...['exec', container?.Id ?? '', 'sh', '-c'],
        'printf "%s" "$1$2" > /tmp/.word; grep -rlaF -f /tmp/.word --exclude=.word /workspace /home/agent /tmp /proc/[0-9]*/environ 2>/dev/null; true',
        ...['sh', ...words],
      ]).toString();
    const basic = Buffer.from(`robot:${SECRET}`).toString('base64');
    expect(holding('sec', 'ond')).toContain('/workspace/second.txt');
    expect(holding(SECRET.slice(0, 8), SECRET.slice(8))).toBe('');
    expect(holding(basic.slice(0, 8), basic.slice(8))).toBe('');
    expect(holding('8211', '/git/')).not.toContain('/workspace');
    const asked = forge.requests.length;
    await work({ agent_id: 'p', source }, 'true');
    expect(forge.requests.length).toBe(asked);
  });

  test('branches, tags, commits and depth, and a renamed repository', async () => {
    const url = `http://${here}:${open.port}/team/app.git`;
    const git = (more: object) => ({
      source: { replace: true, git: { url, ...more } },
      agent_id: 'r',
    });
    const look = 'git branch --show-current; git rev-parse HEAD; git log --oneline | wc -l; ls';
    expect(await work(git({ ref: 'side' }), look)).toMatch(/side\n[0-9a-f]{40}\n1\nfirst.txt\n/);
    expect(await work(git({ ref: 'v1' }), look)).toMatch(/\n\n?[0-9a-f]{40}\n1\nfirst.txt\n/);
    expect(await work(git({ depth: 1 }), look)).toMatch(/main\n[0-9a-f]{40}\n1\nfirst.txt\nsecond/);
    expect(await work(git({ ref: open.head }), look)).toContain(`${open.head}\n2\n`);
    const old = `http://${here}:${open.port}/old.git`;
    expect(await work(git({ url: old }), look)).toContain(`${open.head}\n2\n`);
    await using client = await connect(server);
    const { connections } = await call(client, 'list_egress', { agent_id: 'r' });
    expect(connections).toContainEqual(
      expect.objectContaining({ method: 'POST', host: here, port: open.port, verdict: 'allowed' }),
    );
  });

  test('submodules are fetched where that is asked for, and what is not there is told', async () => {
    const url = `http://${here}:${open.port}/team/whole.git`;
    const clone = async (submodules: boolean) => {
      command =
        'git submodule status --recursive; cat lib/near/second.txt inner/deep/first.txt; git -C far remote get-url origin; git status --short; grep -r /git/ .git inner/.git | head';
      await using client = await connect(server);
      const source = { replace: true, git: { url, submodules } };
      const { notes } = await call(client, 'plan', { task: 'x', agent_id: 'm', source });
      return { notes, seen: server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '' };
    };
    const bare = await clone(false);
    expect(bare.notes).toEqual([
      'These submodules were not fetched (pass submodules: true): "ssh", "far", "inner", "lib/near".',
      'The clone has only the Git LFS pointers of these files: "big.bin".',
    ]);
    const whole = await clone(true);
    expect(whole.notes).toEqual([
      'These submodules were not fetched (only https is supported): "ssh".',
      'The clone has only the Git LFS pointers of these files: "big.bin", "inner/big.bin".',
    ]);
    expect(whole.seen).toMatch(/ [0-9a-f]{40} inner\/deep \(.*\)\n/);
    expect(whole.seen).toContain(`second\nfirst\nhttp://${here}:${open.port}/team/app.git\n`);
    expect(whole.seen).not.toMatch(/8211|\?\?| M /);
  });

  test('a submodule goes by the same rules, and fails the whole', async () => {
    const git = { url: `http://${here}:${open.port}/far.git`, submodules: true };
    await expect(work({ agent_id: 'n', source: { git } })).rejects.toThrow(
      /source_denied.*127\.0\.0\.1/s,
    );
    expect(await work({ agent_id: 'n' })).toMatch(/Output:\n\.git\n$/);
  });

  test('the process runtime clones what the rules allow, with submodules', async () => {
    await using own = await startTestServer({
      runtime: 'process',
      script: ({ toolOutputs, schema }) =>
        toolOutputs.length === 0
          ? shell('cat lib/near/second.txt; git remote get-url origin')
          : json(fillSchema(schema)),
      environment: {
        EGRESS_ALLOW_PRIVATE: `${here}/32`,
        EGRESS_ALLOW: `http://${here}:${open.port}`,
      },
    });
    await using client = await connect(own);
    const url = `http://${here}:${open.port}/team/whole.git`;
    const source = { git: { url, submodules: true } };
    await call(client, 'plan', { task: 'x', agent_id: 'c', source });
    expect(own.model.requests.at(-1)?.seen.toolOutputs.join()).toContain(`second\n${url}\n`);
  });

  test('what cannot be cloned is told before Codex is asked, and leaves the workspace empty', async () => {
    const asked = server.model.requests.length;
    const refusal = (url: string, more = {}) =>
      work({ agent_id: 'e', source: { git: { url, ...more } } }).then(
        () => '',
        (error: Error) => error.message,
      );
    const base = `http://${here}:${open.port}`;
    expect(await refusal('https://github.com/x/y')).toMatch(/source_denied.*github.com:443/s);
    expect(await refusal(`http://127.0.0.1:${open.port}/x`)).toContain('source_denied');
    expect(await refusal(`${base}/team/none.git`)).toMatch(/source_unauthorized.*404/s);
    expect(await refusal(`${base}/away.git`)).toMatch(/source_failed.*another host/s);
    expect(await refusal(`${base}/team/app.git`, { ref: 'nope' })).toMatch(/source_failed.*nope/s);
    expect(server.model.requests.length).toBe(asked);
    expect(await work({ agent_id: 'e' })).toMatch(/Output:\n\.git\n$/);
  });

  test.each([
    ['bytes', 'head -c 1M /dev/urandom > 0; for i in $(seq 40); do cp 0 $i; done'],
    ['entries', 'mkdir d; cd d; for i in $(seq 600); do : > $i; done'],
  ])('a clone that grows beyond what may come in is none: %s', async (what, command) => {
    const repository = `team/${what}.git`;
    open.add(repository, command);
    const source = { git: { url: `http://${here}:${open.port}/${repository}` } };
    const failing = work({ agent_id: what, source });
    await expect(failing).rejects.toThrow(/upload_too_large.*more than 16777216 bytes, or more/s);
    expect(await work({ agent_id: what })).toMatch(/Output:\n\.git\n$/);
  });

  test('a clone that nobody waits for any more ends', async () => {
    await using silent = await startForge({ host: here });
    await using client = await connect(server);
    await call(client, 'allow_egress', { agent_id: 'e', host: here, port: silent.port });
    const source = { git: { url: `http://${here}:${silent.port}/slow.git` } };
    const late = work({ agent_id: 'e', source, timeout_seconds: 2 });
    await expect(late).rejects.toThrow(/turn_timeout/);
    expect(await work({ agent_id: 'e' })).toMatch(/Output:\n\.git\n$/);
  });
});
