import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { containerNames } from '../../src/runtime/docker/container-options.ts';
import { AgentDirectory } from '../../src/runtime/process/agent-directory.ts';
import type { TurnRecord } from '../../src/turns/turn.ts';
import { createWorld, kill, submitted, waited } from '../e2e/main-process.ts';
import { call, connect, REAL_KEY } from '../e2e/test-server.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { freePort } from '../machine/free-port.ts';
import { DockerInstallation } from '../runtime/docker-setup.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { DoctorRig, diagnose, runDoctor, runtimeOf } from './doctor-rig.ts';

const engine = inject('engine');

let model: StandInModel;
beforeAll(async () => {
  model = await startStandInModel({ apiKey: REAL_KEY, script: answerAnything });
});
afterAll(() => model.close());

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime: kind }) => {
  test('a healthy installation has nothing to complain of', async () => {
    await using rig = await DoctorRig.create(kind, model.url);
    await rig.agent('well');
    const files = fs.readdirSync(rig.dataDir);
    const { code, complaints } = await diagnose(rig.settings);
    expect([code, complaints]).toEqual([0, []]);
    const { code: exit, stdout } = await runDoctor(rig.settings);
    expect(exit).toBe(0);
    for (const topic of ['Node', 'Settings', 'Data', 'Database', 'Server', 'Runtime', 'Agents']) {
      expect(stdout).toMatch(new RegExp(`^✓ ${topic} `, 'm'));
    }
    expect(stdout).not.toContain(REAL_KEY);
    expect(model.requests.filter(({ headers }) => headers.authorization)).toEqual([]);
    // SQLite may leave the files of its log.
    expect(fs.readdirSync(rig.dataDir)).toEqual(expect.arrayContaining(files));
    expect(fs.readdirSync(rig.dataDir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('what nobody knows is found, and removed when asked for', async () => {
    await using rig = await DoctorRig.create(kind, model.url);
    await using others = await DoctorRig.create(kind, model.url);
    await rig.agent('known');
    await rig.container('orphan');
    await rig.runtime.start('orphan');
    await rig.container('volumes-only');
    await rig.runtime.remove('volumes-only', { volumes: false });
    await others.container('foreign');
    const before = await rig.names();

    const found = await diagnose(rig.settings);
    expect(found.complaints).toEqual([
      expect.stringMatching(/^problem \| Agents \| .*"orphan".*running.*\| possible$/),
      expect.stringMatching(/^warning \| Agents \| .*"volumes-only".* \| possible$/),
    ]);
    expect(found.code).toBe(1);
    expect(await rig.names()).toEqual(before);

    const repaired = await diagnose(rig.settings, '--repair');
    expect(repaired.complaints.map((line) => line.split(' | ').at(-1))).toEqual(['done', 'done']);
    expect([repaired.code, repaired.ok]).toEqual([0, true]);
    expect(await rig.names()).toEqual({ containers: ['known'], volumes: ['known'] });
    expect(await others.names()).toEqual({ containers: ['foreign'], volumes: ['foreign'] });
    expect(await diagnose(rig.settings)).toMatchObject({ code: 0, complaints: [] });
  });

  test('an agent whose files are gone would begin anew: that is said', async () => {
    await using rig = await DoctorRig.create(kind, model.url);
    await rig.agent('empty');
    await rig.runtime.remove('empty', { volumes: true });
    const { code, complaints } = await diagnose(rig.settings, '--repair');
    expect(complaints).toEqual([
      expect.stringMatching(/^problem .*"empty" has lost its files and conversations/),
    ]);
    expect(code).toBe(1);
  });

  test('an agent without its container is no problem', async () => {
    await using rig = await DoctorRig.create(kind, model.url);
    await rig.agent('bare');
    await rig.runtime.remove('bare', { volumes: false });
    expect(await diagnose(rig.settings)).toMatchObject({
      code: 0,
      complaints: ['warning | Agents | The container of the agent "bare" is gone | possible'],
    });
    await diagnose(rig.settings, '--repair');
    expect(await diagnose(rig.settings)).toMatchObject({ code: 0, complaints: [] });
    expect(rig.write(({ agents }) => agents.get('bare')?.archived)).toBe(true);
  });

  test('warmContainers that no agent can get are cleared away', async () => {
    await using rig = await DoctorRig.create(kind, model.url);
    rig.write(({ warmContainers }) => {
      warmContainers.add({ id: 'slot-1', tokenSha256: 'ab' });
      warmContainers.add({ id: 'slot-2', tokenSha256: 'cd' });
      warmContainers.setReady('slot-2', true);
    });
    await rig.container('slot-1');
    const { complaints } = await diagnose(rig.settings, '--repair');
    expect(complaints).toEqual([
      expect.stringMatching(/^warning \| Warm pool \| "slot-1" .* \| done$/),
      expect.stringMatching(/^warning \| Warm pool \| "slot-2" .* \| done$/),
    ]);
    expect(rig.write(({ warmContainers }) => warmContainers.list())).toEqual([]);
    expect(await rig.names()).toEqual({ containers: [], volumes: [] });
  });
});

describe.runIf(engine.available)('containers', () => {
  test('of settings that no longer hold are removed when asked for, not their files', async () => {
    await using rig = await DoctorRig.create('docker', model.url);
    await rig.agent('old');
    await rig.agent('busy');
    rig.write(({ turns }) => turns.put(runningTurn('busy')));
    const settings = { ...rig.settings, CONTAINER_MEMORY_LIMIT: '512m' };
    const { code, complaints } = await diagnose(settings, '--repair');
    expect(complaints).toEqual([
      expect.stringMatching(/^warning .*"busy" has outdated settings$/),
      expect.stringMatching(/^warning .*"old" has outdated settings.*done$/),
      expect.stringMatching(/^warning .*1 turn of "busy" did not end$/),
    ]);
    expect(code).toBe(0);
    expect(await rig.names()).toEqual({ containers: ['busy'], volumes: ['busy', 'old'] });
  });

  test('of other programs stay, whatever they are called', async () => {
    await using rig = await DoctorRig.create('docker', model.url);
    await using installation = new DockerInstallation();
    await rig.container('orphan');
    const foreign = `${containerNames(rig.installationId, 'orphan').container}-not`;
    const { image } = await rig.runtime.readiness();
    const container = await installation.docker.createContainer({ name: foreign, Image: image });
    try {
      expect((await diagnose(rig.settings, '--repair')).code).toBe(0);
      expect((await rig.names()).containers).toEqual([]);
      expect((await container.inspect()).Name).toBe(`/${foreign}`);
    } finally {
      await container.remove({ force: true });
    }
  });

  test('one volume of an agent that is gone is named', async () => {
    await using rig = await DoctorRig.create('docker', model.url);
    await rig.agent('half');
    await rig.runtime.remove('half', { volumes: false });
    const { homeVolume } = containerNames(rig.installationId, 'half');
    execFileSync('docker', ['volume', 'rm', homeVolume]);
    const { complaints } = await diagnose(rig.settings);
    expect(complaints).toEqual([expect.stringMatching(/"half" has lost its conversations:/)]);
  });

  test('that nobody can see while the engine is away are not held for lost', async () => {
    await using rig = await DoctorRig.create('docker', model.url);
    await rig.agent('away');
    const away = { AGENT_RUNTIME: 'auto', DOCKER_HOST: 'tcp://127.0.0.1:1' };
    const { code, complaints } = await diagnose({ ...rig.settings, ...away }, '--repair');
    expect(complaints).toEqual([expect.stringMatching(/^problem \| Runtime \| The Docker engine/)]);
    expect(code).toBe(1);
  });

  test('of agents that would run elsewhere by now stay', async () => {
    await using rig = await DoctorRig.create('docker', model.url);
    await rig.agent('settled');
    rig.write(({ warmContainers }) => warmContainers.add({ id: 'slot-1', tokenSha256: 'ab' }));
    const settings = { ...rig.settings, AGENT_RUNTIME: 'process' };
    const { code, complaints } = await diagnose(settings, '--repair');
    expect(complaints).toEqual([
      expect.stringMatching(/^problem \| Agents \| The runtime changed from docker to process/),
    ]);
    expect(code).toBe(1);
    expect(rig.write(({ warmContainers }) => warmContainers.list())).toHaveLength(1);
    expect((await rig.names()).containers).toEqual(['settled']);
  });
});

describe('processes', () => {
  test.runIf(process.platform === 'linux')(
    'of agents whose directory is gone are found, and ended when asked for',
    async () => {
      await using rig = await DoctorRig.create('process', model.url);
      const parent = path.join(rig.dataDir, 'agents');
      const { marker, home } = new AgentDirectory(parent, 'ghost');
      const env = { PATH: process.env.PATH, HOME: home, [marker[0]]: marker[1] };
      const ghost = spawn('sleep', ['600'], { env, stdio: 'ignore' });
      const elsewhere = new AgentDirectory('/somewhere/else', 'ghost');
      const foreign = { ...env, HOME: elsewhere.home, [marker[0]]: elsewhere.marker[1] };
      const bystander = spawn('sleep', ['600'], { env: foreign, stdio: 'ignore' });
      try {
        const { complaints } = await diagnose(rig.settings);
        expect(complaints).toEqual([
          `problem | Processes | 1 process of the agent "ghost" running outside of any container: ${ghost.pid} | possible`,
        ]);
        expect((await diagnose(rig.settings, '--repair')).code).toBe(0);
        await expect.poll(() => ghost.signalCode).toBe('SIGKILL');
        expect(bystander.signalCode).toBe(null);
      } finally {
        ghost.kill('SIGKILL');
        bystander.kill('SIGKILL');
      }
    },
  );
});

describe('what stands in the way of a start is told', () => {
  test('settings that cannot work', async () => {
    const { code, complaints } = await diagnose({ MCP_PORT: 'many', LOG_LEVEL: 'loud' });
    expect(code).toBe(1);
    expect(complaints).toEqual([
      expect.stringMatching(/^problem \| Settings \| MCP_PORT is "many"/),
      expect.stringMatching(/^problem \| Settings \| LOG_LEVEL is "loud"/),
    ]);
  });

  test('a wrong option is answered with the usage', async () => {
    const { code, stderr } = await runDoctor({}, '--cure');
    expect(code).toBe(2);
    expect(stderr).toContain('doctor [--repair]');
  });

  test.each([
    ['no database at all', (file: string) => fs.writeFileSync(file, 'no database'.repeat(1000))],
    ['a database with holes', punch],
  ])('%s, and nothing is repaired', async (_name, damage) => {
    await using rig = await DoctorRig.create('process', model.url);
    await rig.agent('a');
    await rig.container('orphan');
    const file = path.join(rig.dataDir, 'codex-mcp.sqlite');
    damage(file);
    const before = fs.readFileSync(file);
    const { code, complaints } = await diagnose(rig.settings, '--repair');
    expect(code).toBe(1);
    expect(complaints).toEqual([
      expect.stringMatching(/^problem \| Database \| codex-mcp.sqlite can't/),
    ]);
    expect(fs.readFileSync(file).equals(before)).toBe(true);
    expect((await rig.names()).containers).toEqual(['a', 'orphan']);
  });

  test('an engine that does not answer, a model that cannot be reached, no key', async () => {
    await using rig = await DoctorRig.create('process', model.url);
    const { code, complaints } = await diagnose({
      ...rig.settings,
      AGENT_RUNTIME: 'docker',
      DOCKER_HOST: 'tcp://127.0.0.1:1',
      OPENAI_API_KEY: '',
      OPENAI_BASE_URL: 'http://user:pass@127.0.0.1:1/v1',
    });
    expect(code).toBe(1);
    expect(complaints).toEqual([
      expect.stringMatching(/^problem \| Runtime \| The Docker engine cannot be reached/),
      'problem | Credentials | There is no key for the model provider "openai".',
      expect.stringMatching(/^problem \| Model \| http:\/\/127.0.0.1:1\/v1 can't be reached/),
    ]);
  });

  test('a directory that cannot be written, and a port that is taken', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-doctor-'));
    const file = path.join(directory, 'file');
    fs.writeFileSync(file, '');
    const { code, complaints } = await diagnose({
      AGENT_RUNTIME: 'process',
      DATA_DIR: path.join(file, 'data'),
      MCP_PORT: new URL(model.url).port,
      OPENAI_API_KEY: REAL_KEY,
      OPENAI_BASE_URL: model.url,
    });
    fs.rmSync(directory, { recursive: true });
    expect(code).toBe(1);
    expect(complaints).toEqual([
      expect.stringMatching(/^problem \| Data \| DATA_DIR is/),
      expect.stringMatching(/^problem \| Server \| .*something else/),
    ]);
  });
});

describe.each(CHEAPEST)('beside a server, in the $runtime runtime', ({ runtime: kind }) => {
  test('it only looks, and the server works on', { timeout: 400_000 }, async () => {
    const settings = { MCP_PORT: String(await freePort()), REAPER_SCHEDULE: '0 0 1 1 *' };
    await using world = await createWorld(kind, { environment: settings });
    world.model.setScript(runsOnce('sleep 1; echo x >> x.txt'));
    const server = await world.start();
    await using client = await connect(server);
    await call(client, 'implement', { task: 'x', agent_id: 'mine' });
    const healthy = await diagnose(world.environment, '--repair');
    expect([healthy.code, healthy.complaints]).toEqual([0, []]);
    expect(messageOf(healthy, 'Server')).toMatch(/^answers at .* healthy$/);

    const installationId = messageOf(healthy, 'Database').split(' ').at(-1) ?? '';
    const runtime = await runtimeOf(world.environment, installationId);
    await runtime.create({ agentId: 'orphan', env: { CODEX_GATEWAY_TOKEN: 'made by hand' } });
    const turnId = await submitted(server, 'implement', { task: 'x', agent_id: 'mine' });
    const found = await diagnose(world.environment, '--repair');
    expect(found.code).toBe(1);
    expect(found.complaints).toEqual([
      expect.stringMatching(/^problem \| Agents \| .*"orphan".* \| possible$/),
      expect.stringMatching(/^warning \| Repair \| A running server/),
    ]);
    expect(await waited(server, turnId)).toMatchObject({ state: 'completed' });

    await submitted(server, 'implement', { task: 'x', agent_id: 'mine' });
    await kill(server, 'SIGKILL');
    const after = await diagnose(world.environment, '--repair');
    expect(after.complaints).toEqual([
      expect.stringMatching(/"orphan".* \| done$/),
      'warning | Turns | 1 turn of "mine" did not end',
    ]);
    expect(after.code).toBe(0);
    expect((await runtime.list()).map(({ agentId }) => agentId)).toEqual(['mine']);
  });
});

type Outcome = Awaited<ReturnType<typeof diagnose>>;

function messageOf({ checks }: Outcome, topic: string): string {
  return checks.find((check) => check.topic === topic)?.message ?? '';
}

function runningTurn(agentId: string): TurnRecord {
  const request = { agentId, tool: 'plan', args: {} };
  const createdAt = new Date();
  return { turnId: '1', agentId, tool: 'plan', state: 'running', request, createdAt };
}

/** Overwrites what is not the head of the database. */
function punch(file: string): void {
  const descriptor = fs.openSync(file, 'r+');
  fs.writeSync(descriptor, Buffer.alloc(8192, 7), 0, 8192, 3 * 4096);
  fs.closeSync(descriptor);
}
