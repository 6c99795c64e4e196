import { createHash, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type {
  ContainerProcess,
  ContainerRuntime,
  ContainerSpec,
} from '../../src/runtime/container-runtime.ts';

/** The first run of an adapter may have to build an image. */
const PREPARE_MS = 600_000;
const TEST_MS = 240_000;
const GRACE_SECONDS = 1;
const CANARY = 'CODEX_MCP_CONTRACT_CANARY';
const MEBIBYTE = 1024 * 1024;

type Setup = {
  runtime: ContainerRuntime;
  /** A second adapter over the same containers, as after a restart of the server. */
  restartedServer: () => ContainerRuntime;
  dispose: () => Promise<void>;
};

/** What every adapter of the port does. Commands in containers are only those of any Linux. */
export function containerRuntimeContract(name: string, setup: () => Promise<Setup>): void {
  describe(`${name} as a container runtime`, { timeout: TEST_MS }, () => {
    const created = new Set<string>();
    let context: Setup;
    let runtime: ContainerRuntime;

    beforeAll(async () => {
      process.env[CANARY] = 'secret-of-the-server';
      context = await setup();
      runtime = context.runtime;
      await runtime.prepare(() => undefined);
    }, PREPARE_MS);

    afterEach(async () => {
      for (const agentId of created) await runtime.remove(agentId, { volumes: true });
      created.clear();
    }, TEST_MS);

    afterAll(async () => {
      delete process.env[CANARY];
      await context?.dispose();
    }, TEST_MS);

    function newSpec(): ContainerSpec {
      const agentId = `contract_${randomBytes(4).toString('hex')}.A-1`;
      created.add(agentId);
      return { agentId, env: { CODEX_GATEWAY_TOKEN: 'token of an agent', FROM_SPEC: 'a b=c' } };
    }

    async function createAgent(): Promise<string> {
      const spec = newSpec();
      await runtime.create(spec);
      return spec.agentId;
    }

    async function startAgent(): Promise<string> {
      const agentId = await createAgent();
      await runtime.start(agentId);
      return agentId;
    }

    async function stateOf(agentId: string): Promise<string | undefined> {
      return (await runtime.inspect(agentId))?.state;
    }

    async function shell(agentId: string, script: string): Promise<Outcome> {
      return await outcome(await runtime.exec(agentId, ['sh', '-c', script]));
    }

    describe('lifecycle', () => {
      it('answers a ping with what the engine is and has', async () => {
        const engine = await runtime.ping();
        expect(engine.description).not.toBe('');
        expect(engine.cpus).toBeGreaterThan(0);
        expect(engine.memoryBytes).toBeGreaterThan(MEBIBYTE);
      });

      it('is ready once it was prepared, also by concurrent calls', async () => {
        await Promise.all([runtime.prepare(() => undefined), runtime.prepare(() => undefined)]);
        expect(await runtime.readiness()).toMatchObject({ present: true });
      });

      it('takes a container through all its states and keeps its files', async () => {
        const { workspace, home } = runtime.layout('any');
        const agentId = await createAgent();
        expect(await stateOf(agentId)).toBe('stopped');
        await runtime.start(agentId);
        expect(await stateOf(agentId)).toBe('running');
        const paths = runtime.layout(agentId);
        await shell(
          agentId,
          `echo kept > ${paths.workspace}/a; echo kept > ${paths.home}/.codex/b`,
        );
        await runtime.pause(agentId);
        expect(await stateOf(agentId)).toBe('paused');
        await runtime.start(agentId);
        expect(await stateOf(agentId)).toBe('running');
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await stateOf(agentId)).toBe('stopped');
        await runtime.start(agentId);
        const { stdout } = await shell(agentId, `cat ${paths.workspace}/a ${paths.home}/.codex/b`);
        expect(stdout).toBe('kept\nkept\n');
        await runtime.remove(agentId, { volumes: true });
        expect(await runtime.inspect(agentId)).toBeUndefined();
        expect([workspace, home].every((path) => path.startsWith('/'))).toBe(true);
      });

      it('copies the volumes of an agent into new ones of another', async () => {
        const from = await startAgent();
        const source = runtime.layout(from);
        await shell(
          from,
          `cd ${source.workspace}; echo old > a; chmod 755 a; ln -s a link; mkdir '.hid den'; touch -d @86400 a
          cd ${source.home}/.codex; echo said > conversation; touch old.sqlite old.sqlite-wal`,
        );
        const spec = newSpec();
        const copying = { signal: new AbortController().signal, onCopied: () => undefined };
        await runtime.copyVolumes({ agentId: from }, spec.agentId, copying);
        expect(await runtime.inspect(spec.agentId)).toBeUndefined();
        await runtime.create(spec);
        await runtime.start(spec.agentId);
        const copy = runtime.layout(spec.agentId);
        const { stdout } = await shell(
          spec.agentId,
          `cd ${copy.workspace}; ls -A; readlink link; stat -c '%a %Y' a; echo new >> a
          find ${copy.home}/.codex -name 'old.sqlite*'; cat ${copy.home}/.codex/conversation`,
        );
        expect(stdout).toBe('.hid den\na\nlink\na\n755 86400\nsaid\n');
        expect((await shell(from, `cat ${source.workspace}/a`)).stdout).toBe('old\n');
      });

      it('replaces what is left of an earlier copy, and leaves nothing of one that was given up', async () => {
        const from = await startAgent();
        const { agentId } = newSpec();
        const copying = { signal: new AbortController().signal, onCopied: () => undefined };
        await runtime.copyVolumes({ agentId: from }, agentId, copying);
        await runtime.copyVolumes({ agentId: from }, agentId, copying);
        expect((await runtime.listVolumes()).map((each) => each.agentId)).toContain(agentId);
        const given = { ...copying, signal: AbortSignal.abort(new Error('given up')) };
        await expect(runtime.copyVolumes({ agentId: from }, agentId, given)).rejects.toThrow(
          'given up',
        );
        expect((await runtime.listVolumes()).map((each) => each.agentId)).not.toContain(agentId);
      });

      it('leaves nothing of a copy that nobody takes', async () => {
        const from = await startAgent();
        const { agentId } = newSpec();
        const { signal } = new AbortController();
        const onCopied = () => {
          throw new Error('not wanted');
        };
        const copying = runtime.copyVolumes({ agentId: from }, agentId, { signal, onCopied });
        await expect(copying).rejects.toThrow('not wanted');
        expect((await runtime.listVolumes()).map((each) => each.agentId)).not.toContain(agentId);
        expect(await runtime.inspect(agentId)).toBeUndefined();
      });

      it('creates a container once, however often it is asked', async () => {
        const spec = newSpec();
        await runtime.create(spec);
        const first = await runtime.inspect(spec.agentId);
        await runtime.create(spec);
        expect(await runtime.inspect(spec.agentId)).toEqual(first);
        expect(first).toMatchObject({ outdated: false, outOfMemory: false });
        await runtime.start(spec.agentId);
        await runtime.create(spec);
        expect(await runtime.inspect(spec.agentId)).toMatchObject({ id: first?.id });
      });

      it('does nothing when it is asked for what already is', async () => {
        const agentId = await startAgent();
        await runtime.start(agentId);
        expect(await stateOf(agentId)).toBe('running');
        await runtime.pause(agentId);
        await runtime.pause(agentId);
        expect(await stateOf(agentId)).toBe('paused');
        await runtime.start(agentId);
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await stateOf(agentId)).toBe('stopped');
        await runtime.remove(agentId, { volumes: true });
        await runtime.remove(agentId, { volumes: true });
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await stateOf(agentId)).toBeUndefined();
      });

      it('starts a container once when it is asked twice at the same time', async () => {
        const agentId = await createAgent();
        await Promise.all([runtime.start(agentId), runtime.start(agentId)]);
        expect(await stateOf(agentId)).toBe('running');
      });

      it('stops and removes a paused container', async () => {
        const agentId = await startAgent();
        await runtime.pause(agentId);
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await stateOf(agentId)).toBe('stopped');
        await runtime.start(agentId);
        await runtime.pause(agentId);
        await runtime.remove(agentId, { volumes: true });
        expect(await stateOf(agentId)).toBeUndefined();
      });

      it('cannot start what does not exist', async () => {
        await expect(runtime.start(newSpec().agentId)).rejects.toMatchObject({
          code: 'container_lost',
        });
      });

      it('keeps the volumes of a removed container unless asked', async () => {
        const spec = newSpec();
        const { workspace, home } = runtime.layout(spec.agentId);
        const look = `cat ${workspace}/a ${home}/.codex/b 2>&1 || echo nothing`;
        await runtime.create(spec);
        await runtime.start(spec.agentId);
        await shell(spec.agentId, `echo w > ${workspace}/a; echo h > ${home}/.codex/b`);
        await runtime.remove(spec.agentId, { volumes: false });
        expect(await runtime.inspect(spec.agentId)).toBeUndefined();
        await runtime.create(spec);
        await runtime.start(spec.agentId);
        expect((await shell(spec.agentId, look)).stdout).toBe('w\nh\n');
        await runtime.remove(spec.agentId, { volumes: false });
        await runtime.remove(spec.agentId, { volumes: true });
        await runtime.create(spec);
        await runtime.start(spec.agentId);
        expect((await shell(spec.agentId, look)).stdout).toContain('nothing');
      });

      it('lists volumes with the time they were made, until they are removed', async () => {
        const before = Date.now();
        const agentId = await createAgent();
        const volumesOf = async () =>
          (await runtime.listVolumes()).filter((volumes) => volumes.agentId === agentId);
        await runtime.remove(agentId, { volumes: false });
        const [found, ...more] = await volumesOf();
        expect(more).toEqual([]);
        expect(found).toMatchObject({ holdsWorkspace: true, holdsHome: true });
        expect(Math.abs((found?.createdAt.getTime() ?? 0) - before)).toBeLessThan(10_000);
        await runtime.remove(agentId, { volumes: true });
        expect(await volumesOf()).toEqual([]);
      });

      it('lists its own containers in any state, and only those that exist', async () => {
        const running = await startAgent();
        const stopped = await createAgent();
        const removed = await createAgent();
        await runtime.remove(removed, { volumes: false });
        const listed = (await runtime.list()).filter(({ agentId }) => created.has(agentId));
        const states = new Map(listed.map(({ agentId, state }) => [agentId, state]));
        expect(states).toEqual(
          new Map([
            [running, 'running'],
            [stopped, 'stopped'],
          ]),
        );
      });

      it('finds running containers after a restart of the server', async () => {
        const agentId = await startAgent();
        const before = await runtime.inspect(agentId);
        const restarted = context.restartedServer();
        expect(await restarted.inspect(agentId)).toEqual(before);
        expect((await restarted.list()).map((each) => each.agentId)).toContain(agentId);
        const echo = await restarted.exec(agentId, ['echo', 'still here']);
        expect((await outcome(echo)).stdout).toBe('still here\n');
        await restarted.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await stateOf(agentId)).toBe('stopped');
      });
    });

    describe('stats', () => {
      it('tells what a container uses, busy or not', async () => {
        const agentId = await startAgent();
        const idle = await runtime.stats(agentId);
        expect(idle?.memoryBytes).toBeGreaterThan(MEBIBYTE);
        expect(idle?.pids).toBeGreaterThan(1);
        const busy = await runtime.exec(agentId, ['sh', '-c', 'while :; do :; done']);
        await expect
          .poll(async () => (await runtime.stats(agentId))?.cpuPercent, { timeout: 10_000 })
          .toBeGreaterThan(20);
        busy.stdio.destroy();
      });

      it('tells what a paused container holds: memory, but no CPU', async () => {
        const agentId = await startAgent();
        await runtime.pause(agentId);
        const stats = await runtime.stats(agentId);
        expect(stats?.memoryBytes).toBeGreaterThan(MEBIBYTE);
        expect(stats?.cpuPercent).toBeLessThan(1);
      });

      it('has nothing to tell of a container that is stopped or gone', async () => {
        expect(await runtime.stats(await createAgent())).toBeUndefined();
        expect(await runtime.stats(newSpec().agentId)).toBeUndefined();
      });
    });

    describe('exec', () => {
      it('keeps output and error output apart and tells the exit status', async () => {
        const result = await shell(await startAgent(), 'echo out; echo err >&2; exit 7');
        expect(result).toEqual({ stdout: 'out\n', stderr: 'err\n', status: 7 });
      });

      it('has the environment of the container and its own, and runs where it is told', async () => {
        const agentId = await startAgent();
        const { workspace, home } = runtime.layout(agentId);
        const script = 'echo "$FROM_SPEC|$FROM_EXEC|$HOME|$CODEX_HOME"; pwd';
        const inside = await runtime.exec(agentId, ['sh', '-c', script], {
          env: { FROM_EXEC: 'x y' },
          cwd: home,
        });
        expect((await outcome(inside)).stdout).toBe(`a b=c|x y|${home}|${home}/.codex\n${home}\n`);
        expect((await shell(agentId, 'pwd')).stdout).toBe(`${workspace}\n`);
      });

      it('ends the input of a program and still reads its output', async () => {
        const child = await runtime.exec(await startAgent(), ['sh', '-c', 'cat; echo after']);
        child.stdio.end('to the end\n');
        expect(await outcome(child)).toMatchObject({ stdout: 'to the end\nafter\n', status: 0 });
      });

      it('carries 20 MB both ways at the speed of the reader', async () => {
        const child = await runtime.exec(await startAgent(), ['cat']);
        const sent = createHash('sha256');
        const received = createHash('sha256');
        let bytes = 0;
        async function* source() {
          for (let index = 0; index < 20; index += 1) {
            const chunk = randomBytes(MEBIBYTE);
            sent.update(chunk);
            yield chunk;
          }
        }
        const writing = pipeline(source, child.stdio, { end: false }).then(() => child.stdio.end());
        await sleep(300); // Nobody reads yet: what is not taken must wait and not be lost.
        expect(child.stdio.readableLength).toBeLessThan(4 * MEBIBYTE);
        for await (const chunk of child.stdio) {
          received.update(chunk);
          bytes += chunk.length;
        }
        await writing;
        expect(bytes).toBe(20 * MEBIBYTE);
        expect(received.digest('hex')).toBe(sent.digest('hex'));
        expect(await child.exited).toBe(0);
      });

      it('ends the input of a program when its stream is destroyed', async () => {
        const agentId = await startAgent();
        const { workspace } = runtime.layout(agentId);
        const child = await runtime.exec(agentId, [
          'sh',
          '-c',
          'echo ready; cat; echo over > over',
        ]);
        child.stdio.on('error', () => undefined);
        await new Promise((resolve) => child.stdio.once('data', resolve));
        child.stdio.destroy();
        await expect
          .poll(async () => (await shell(agentId, `cat ${workspace}/over`)).stdout, {
            timeout: 10_000,
          })
          .toBe('over\n');
      });

      it('runs many programs at the same time', async () => {
        const agentId = await startAgent();
        const numbers = Array.from({ length: 10 }, (_, index) => index);
        const results = await Promise.all(numbers.map((n) => shell(agentId, `echo ${n}`)));
        expect(results.map(({ stdout }) => stdout)).toEqual(numbers.map((n) => `${n}\n`));
      });

      it('tells of a program that does not exist by its exit status', async () => {
        const child = await runtime.exec(await startAgent(), ['/no/such/program']);
        expect([126, 127]).toContain((await outcome(child)).status);
      });

      it('refuses programs in containers that are stopped or gone', async () => {
        const lost = { code: 'container_lost' };
        const agentId = await createAgent();
        await expect(runtime.exec(agentId, ['echo'])).rejects.toMatchObject(lost);
        await expect(runtime.exec(newSpec().agentId, ['echo'])).rejects.toMatchObject(lost);
      });

      it('has no exit status for a program whose container was stopped', async () => {
        const agentId = await startAgent();
        const child = await runtime.exec(agentId, ['sh', '-c', 'echo ready; exec sleep 600']);
        child.stdio.on('error', () => undefined);
        await new Promise((resolve) => child.stdio.once('data', resolve));
        await runtime.stop(agentId, { graceSeconds: 0 });
        expect(await child.exited).toBeUndefined();
      });
    });

    describe('Codex', () => {
      it('answers on its socket through the proxy of the layout', async () => {
        const agentId = await startAgent();
        const { home } = runtime.layout(agentId);
        const codex = await connect(runtime, agentId);
        expect(await codex.request('initialize', { clientInfo: CLIENT })).toMatchObject({
          codexHome: `${home}/.codex`,
        });
        codex.close();
      });

      it('answers again after a pause, on the same connection', async () => {
        const agentId = await startAgent();
        const codex = await connect(runtime, agentId);
        await runtime.pause(agentId);
        const answer = codex.request('initialize', { clientInfo: CLIENT });
        await sleep(100);
        await runtime.start(agentId);
        expect(await answer).toHaveProperty('userAgent');
        codex.close();
      });

      it('has the environment of the agent and none of the server', async () => {
        const codex = await connect(runtime, await startAgent());
        await codex.request('initialize', { clientInfo: CLIENT });
        const { stdout } = await codex.request('command/exec', {
          command: ['cat', '/proc/self/environ'],
          sandboxPolicy: { type: 'dangerFullAccess' },
        });
        expect(String(stdout).split('\0')).toContain('FROM_SPEC=a b=c');
        expect(stdout).not.toContain('secret-of-the-server');
        codex.close();
      });

      it('gives the last lines of its log', async () => {
        const agentId = await startAgent();
        const lines = (await runtime.logs(agentId, { tail: 3 })).trimEnd().split('\n');
        expect(lines.length).toBeLessThanOrEqual(3);
        await runtime.stop(agentId, { graceSeconds: GRACE_SECONDS });
        expect(await runtime.logs(agentId, { tail: 3 })).toBeTypeOf('string');
      });
    });
  });
}

type Outcome = { stdout: string; stderr: string; status: number | undefined };

async function outcome(child: ContainerProcess): Promise<Outcome> {
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdio),
    text(child.stderr),
    child.exited,
  ]);
  return { stdout, stderr, status };
}

const CLIENT = { name: 'contract', title: 'Contract', version: '0.0.1' };

type Reply = { id?: number; result?: Record<string, unknown>; error?: unknown };

/** Just enough of Codex's protocol: WebSocket frames over the stdio of an exec. */
async function connect(runtime: ContainerRuntime, agentId: string) {
  const { stdio } = await runtime.exec(agentId, runtime.layout(agentId).appServerProxy);
  const socket = new WebSocket('ws://localhost/', {
    createConnection: () => stdio,
    perMessageDeflate: false,
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let lastId = 0;
  return {
    async request(method: string, params: unknown): Promise<Record<string, unknown>> {
      lastId += 1;
      const id = lastId;
      const reply = new Promise<Reply>((resolve, reject) => {
        socket.on('message', (data) => {
          const message: Reply = JSON.parse(String(data));
          if (message.id === id) resolve(message);
        });
        socket.once('close', () => reject(new Error(`closed before ${method} was answered`)));
      });
      socket.send(JSON.stringify({ id, method, params }));
      const { result, error } = await reply;
      if (!result) throw new Error(`${method} failed: ${JSON.stringify(error)}`);
      return result;
    },
    close: () => socket.terminate(),
  };
}
