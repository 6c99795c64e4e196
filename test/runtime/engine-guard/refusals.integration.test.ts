import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { settingsSchema } from '../../../src/config/settings.ts';
import { containerNames, createOptions } from '../../../src/runtime/docker/container-options.ts';
import type { DockerRuntime } from '../../../src/runtime/docker/docker-runtime.ts';
import { LABELS } from '../../../src/runtime/docker/labels.ts';
import { BASE_IMAGE } from '../../setup/base-image.ts';
import { DockerInstallation } from '../docker-setup.ts';
import { startTestGuard, type TestGuard } from './test-guard.ts';

type Answer = { status: number; message: string };
type Body = Record<string, unknown>;

const own = new DockerInstallation();
const other = new DockerInstallation();
const mine = { label: [`${LABELS.installation}=${own.id}`] };
const theirs = { label: [`${LABELS.installation}=${other.id}`] };

describe.skipIf(!inject('engine').available)('the engine guard refuses', () => {
  let guard: TestGuard;
  let runtime: DockerRuntime;
  let container: string;
  let foreign: string;
  let good: Body;

  beforeAll(async () => {
    guard = await startTestGuard();
    runtime = own.runtime({ DOCKER_HOST: guard.url });
    await runtime.prepare(() => undefined);
    await runtime.list();
    await runtime.create({ agentId: 'mine', env: {} });
    await runtime.start('mine');
    container = (await runtime.inspect('mine'))?.id ?? '';
    await other.runtime().create({ agentId: 'theirs', env: {} });
    await other.runtime().start('theirs');
    foreign = (await other.runtime().inspect('theirs'))?.id ?? '';
    good = await createBody('new');
  });
  afterAll(async () => {
    await own[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await guard?.[Symbol.asyncDispose]();
  });

  /** What a server sends to create an agent's container. */
  async function createBody(agentId: string, installationId = own.id): Promise<Body> {
    const { NCPU: cpus } = await own.docker.info();
    const { image } = await runtime.readiness();
    const shape = { config: settingsSchema.parse({}), image, imageId: 'x', cpus };
    return JSON.parse(JSON.stringify(createOptions(installationId, { agentId, env: {} }, shape)));
  }

  function create(body: unknown, agentId = 'new', installationId = own.id): Promise<Answer> {
    const name = containerNames(installationId, agentId).container;
    return ask(guard, 'POST', `/containers/create?name=${encodeURIComponent(name)}`, body);
  }

  const refused = (answer: Answer) =>
    expect(answer).toMatchObject({
      status: expect.toSatisfy((status: number) => status === 403 || status === 400),
      message: expect.stringMatching(/^The engine guard refuses|^$/),
    });

  describe('a container that', () => {
    const hostChanges: Record<string, Body> = {
      'is privileged': { Privileged: true },
      'binds the root of the machine': { Binds: ['/:/host'] },
      'mounts a directory of the machine': {
        Mounts: [{ Type: 'bind', Source: '/', Target: '/host' }],
      },
      'mounts the socket of the engine': {
        Mounts: [{ Type: 'bind', Source: '/var/run/docker.sock', Target: '/engine.sock' }],
      },
      'mounts the volume of another installation': {
        Mounts: [
          {
            Type: 'volume',
            Source: containerNames(other.id, 'theirs').workspaceVolume,
            Target: '/workspace',
          },
        ],
      },
      'takes the volumes of another container': { VolumesFrom: ['any'] },
      'is on the network of the machine': { NetworkMode: 'host' },
      'is on a bridge': { NetworkMode: 'bridge' },
      'sees the processes of the machine': { PidMode: 'host' },
      'shares memory with the machine': { IpcMode: 'host' },
      'is of the machine for its users': { UsernsMode: 'host' },
      'has the name of the machine': { UTSMode: 'host' },
      'is of the control groups of the machine': { CgroupnsMode: 'host' },
      'has a control group parent of its own': { CgroupParent: '/' },
      'adds a capability': { CapAdd: ['SYS_ADMIN'] },
      'drops no capability': { CapDrop: [] },
      'may get new privileges': { SecurityOpt: [] },
      'has no system call filter': { SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'] },
      'has no masked paths': { MaskedPaths: [], ReadonlyPaths: [] },
      'can write its root': { ReadonlyRootfs: false },
      'has a device': { Devices: [{ PathOnHost: '/dev/sda', PathInContainer: '/dev/sda' }] },
      'has a graphics card': { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] },
      'may make devices': { DeviceCgroupRules: ['a *:* rwm'] },
      'publishes a port': { PortBindings: { '22/tcp': [{ HostPort: '22' }] } },
      'has sysctls': { Sysctls: { 'net.ipv4.ip_forward': '1' } },
      'has another runtime': { Runtime: 'runc' },
      'has more memory': { Memory: 1e12 },
      'comes back by itself': { RestartPolicy: { Name: 'always' } },
      'logs to elsewhere': { LogConfig: { Type: 'syslog', Config: {} } },
      'is killed last': { OomScoreAdj: -1000 },
      'says so in lower case': { privileged: true },
    };
    test.each(Object.entries(hostChanges))('%s', async (_, change) => {
      const { HostConfig } = good as { HostConfig: Body };
      const answer = await create({ ...good, HostConfig: { ...HostConfig, ...change } });
      refused(answer);
      expect(answer.message).toContain('HostConfig');
    });

    const changes: Record<string, Body> = {
      'is root': { User: '0' },
      'has another user': { User: '' },
      'is of another image': { Image: BASE_IMAGE },
      'runs something else': { Entrypoint: ['sh'], Cmd: ['-c', 'id'] },
      'has volumes of its own': { Volumes: { '/x': {} } },
      'is on a network': { NetworkingConfig: { EndpointsConfig: { host: {} } } },
      'has a second host configuration': { hostconfig: { Privileged: true } },
      'has one of its prototype': JSON.parse('{ "__proto__": { "HostConfig": {} } }'),
      'has environment that is no list': { Env: { A: 'b' } },
      'has no environment': { Env: null },
    };
    test.each(Object.entries(changes))('%s', async (_, change) => {
      const body = { ...good };
      for (const key of Object.keys(change)) {
        Object.defineProperty(body, key, { value: change[key], enumerable: true });
      }
      refused(await create(body));
    });

    test('has volumes with a driver of their own', async () => {
      const body = structuredClone(good) as { HostConfig: { Mounts: Body[] } };
      const [mount] = body.HostConfig.Mounts;
      const { VolumeOptions } = mount as { VolumeOptions: Body };
      const Options = { type: 'none', o: 'bind', device: '/' };
      VolumeOptions.DriverConfig = { Name: 'local', Options };
      refused(await create(body));
    });

    test('is of another installation, or has the name of another agent', async () => {
      refused(await create(await createBody('new', other.id), 'new', other.id));
      refused(await create(good, 'old'));
      refused(await create(good, 'new', other.id));
      refused(await create({ ...good, Labels: {} }));
      const label = { ...(good.Labels as Body), 'com.example': 'x' };
      refused(await create({ ...good, Labels: label }));
    });

    test('would have a volume that somebody else made, as over a directory of the machine', async () => {
      const body = await createBody('planted');
      const { workspaceVolume } = containerNames(own.id, 'planted');
      await own.docker.createVolume({
        Name: workspaceVolume,
        DriverOpts: { type: 'none', o: 'bind', device: '/etc' },
      });
      try {
        const answer = await create(body, 'planted');
        refused(answer);
        expect(answer.message).toContain(`${workspaceVolume} does not belong to this installation`);
      } finally {
        await own.docker.getVolume(workspaceVolume).remove();
      }
    });

    test('… and lets through the one that it is', async () => {
      expect((await create(good)).status).toBe(201);
      await runtime.remove('new', { volumes: true });
    });
  });

  describe('what a server never asks for:', () => {
    test.each([
      ['GET', '/_ping'],
      ['GET', '/version'],
      ['GET', '/images/json'],
      ['GET', `/images/${BASE_IMAGE}/get`],
      ['GET', '/images/alpine/json'],
      ['POST', '/images/create?fromImage=alpine&tag=latest'],
      ['POST', '/images/create?fromSrc=http://127.0.0.1/x.tar'],
      ['POST', `/images/${BASE_IMAGE}/push`],
      ['POST', `/images/${BASE_IMAGE}/tag?repo=x`],
      ['DELETE', `/images/${BASE_IMAGE}`],
      ['POST', '/images/load'],
      ['POST', '/build?t=other'],
      ['POST', '/build?t=other&remote=http://127.0.0.1/Dockerfile'],
      ['POST', '/build?t=other&networkmode=host'],
      ['POST', '/commit?container=mine'],
      ['POST', '/volumes/create'],
      ['POST', '/volumes/prune'],
      ['POST', '/containers/prune'],
      ['POST', '/images/prune'],
      ['POST', '/build/prune'],
      ['POST', '/networks/create'],
      ['GET', '/networks'],
      ['POST', '/swarm/init'],
      ['GET', '/swarm'],
      ['GET', '/secrets'],
      ['POST', '/secrets/create'],
      ['GET', '/configs'],
      ['GET', '/nodes'],
      ['POST', '/services/create'],
      ['POST', '/plugins/pull?remote=x'],
      ['GET', '/plugins'],
      ['GET', '/system/df'],
      ['POST', '/session'],
      ['POST', '/grpc'],
      ['POST', '/auth'],
      ['GET', '/events'],
      ['GET', '/debug/pprof/'],
      ['PATCH', '/containers/json'],
      ['OPTIONS', '/info'],
      ['TRACE', '/info'],
    ])('%s %s', async (method, path) => refused(await ask(guard, method, path)));

    test.each([
      ['PUT', '/archive?path=/'],
      ['GET', '/archive?path=/'],
      ['GET', '/export'],
      ['GET', '/top'],
      ['GET', '/changes'],
      ['GET', '/attach/ws'],
      ['POST', '/attach?stream=1'],
      ['POST', '/update'],
      ['POST', '/rename?name=x'],
      ['POST', '/kill'],
      ['POST', '/restart'],
      ['POST', '/resize?h=1&w=1'],
      ['POST', '/start?detachKeys=x'],
      ['POST', '/start?checkpoint=x'],
      ['GET', '/stats?stream=true'],
      ['GET', '/logs?follow=true'],
      ['GET', '/json?size=true'],
    ])('%s /containers/mine%s', async (method, path) => {
      refused(await ask(guard, method, `/containers/${container}${path}`));
    });
  });

  const filters: unknown[] = [
    undefined,
    {},
    theirs,
    { label: [LABELS.installation] },
    { label: [...mine.label, ...theirs.label] },
    { ...mine, status: ['running'] },
    { label: { [mine.label[0] ?? '']: true } },
    'no document',
  ];

  describe('what is not of the installation:', () => {
    test.each([
      ['GET', '/json'],
      ['GET', '/logs?stdout=true&tail=1'],
      ['GET', '/stats?stream=false'],
      ['POST', '/start'],
      ['POST', '/stop?t=1'],
      ['POST', '/pause'],
      ['POST', '/unpause'],
      ['POST', '/exec'],
      ['DELETE', '?force=true&v=true'],
    ])('%s /containers/theirs%s', async (method, path) => {
      const { container: name } = containerNames(other.id, 'theirs');
      const body = path === '/exec' ? exec(['id']) : undefined;
      for (const reference of [foreign, foreign.slice(0, 12), name]) {
        refused(await ask(guard, method, `/containers/${reference}${path}`, body));
      }
    });

    test('its execs', async () => {
      const theirs = await own.docker.getContainer(foreign).exec({ Cmd: ['id'] });
      refused(await ask(guard, 'GET', `/exec/${theirs.id}/json`));
      refused(await upgrade(guard, `/exec/${theirs.id}/start`, { Tty: false }));
    });

    test('its volumes', async () => {
      const { homeVolume } = containerNames(other.id, 'theirs');
      refused(await ask(guard, 'DELETE', `/volumes/${homeVolume}`));
      const { Volumes } = await own.docker.listVolumes({ filters: theirs });
      expect(Volumes).toHaveLength(2);
    });

    test.each(filters.map((filter) => [filter]))('lists with the filter %j', async (filter) => {
      const query =
        filter === undefined ? '' : `filters=${encodeURIComponent(JSON.stringify(filter))}`;
      refused(await ask(guard, 'GET', `/containers/json?all=true&${query}`));
      refused(await ask(guard, 'GET', `/volumes?${query}`));
      refused(await ask(guard, 'GET', `/events?since=1&until=2&${query}`));
    });
  });

  describe('an exec that', () => {
    test.each<[string, Body]>([
      ['is privileged', { Privileged: true }],
      ['is privileged in lower case', { privileged: true }],
      ['is of another user', { User: '0' }],
      ['has a terminal', { Tty: true }],
      ['has no command', { Cmd: [] }],
      ['has detach keys', { DetachKeys: 'ctrl-p' }],
    ])('%s', async (_, change) => {
      const body = { ...exec(['id']), ...change };
      refused(await ask(guard, 'POST', `/containers/${container}/exec`, body));
    });

    test('is detached, has a terminal, or is started without a connection', async () => {
      const made = await own.docker.getContainer(container).exec({ Cmd: ['id'] });
      const path = `/exec/${made.id}/start`;
      refused(await upgrade(guard, path, { Tty: false, Detach: true }));
      refused(await upgrade(guard, path, { Tty: true }));
      refused(await ask(guard, 'POST', path, { Tty: false, Detach: true }));
      refused(await upgrade(guard, `/containers/${container}/attach`, {}));
      refused(await upgrade(guard, path, { Tty: false }, 'websocket'));
      expect((await made.inspect()).Running).toBe(false);
    });
  });

  describe('what is written to deceive:', () => {
    const info = ['Host: docker', '', ''];
    test.each<[string, string[]]>([
      ['a version before the path', ['GET /v1.41/info HTTP/1.1', ...info]],
      ['a way up', ['GET /info/../secrets HTTP/1.1', ...info]],
      ['a way up of a version', ['GET /v1.41/../secrets HTTP/1.1', ...info]],
      ['an encoded way up', ['GET /containers/%2e%2e/json HTTP/1.1', ...info]],
      ['two slashes', ['GET //containers/json HTTP/1.1', ...info]],
      ['an encoded slash', ['GET /containers/a%2F..%2Fb/json HTTP/1.1', ...info]],
      ['an image with a way up', ['GET /images/a/../../secrets/json HTTP/1.1', ...info]],
      ['an address in the place of a path', ['GET http://docker/info HTTP/1.1', ...info]],
      ['an image that is an address', ['GET /images/a//b/json HTTP/1.1', ...info]],
      ['a line break', ['GET /containers/a%0d%0ab/json HTTP/1.1', ...info]],
      ['a parameter twice', ['GET /containers/json?all=true&all=true HTTP/1.1', ...info]],
      ['a parameter of every object', ['GET /info?__proto__=1 HTTP/1.1', ...info]],
      [
        'two lengths',
        [
          'POST /containers/create?name=x HTTP/1.1',
          'Host: d',
          'Content-Length: 2',
          'Content-Length: 3',
          '',
          '{} ',
        ],
      ],
      [
        'a length and an encoding',
        [
          'POST /containers/create?name=x HTTP/1.1',
          'Host: d',
          'Content-Length: 2',
          'Transfer-Encoding: chunked',
          '',
          '0',
          '',
          '',
        ],
      ],
      [
        'chunks',
        [
          'POST /containers/create?name=x HTTP/1.1',
          'Host: d',
          'Transfer-Encoding: chunked',
          '',
          '2',
          '{}',
          '0',
          '',
          '',
        ],
      ],
      [
        'a huge body',
        ['POST /containers/create?name=x HTTP/1.1', 'Host: d', 'Content-Length: 99999999', '', '{'],
      ],
      [
        'a body that is no document',
        ['POST /containers/create?name=x HTTP/1.1', 'Host: d', 'Content-Length: 2', '', '{]'],
      ],
      ['a tunnel', ['CONNECT /var/run/docker.sock HTTP/1.1', ...info]],
    ])('%s', async (_, lines) => {
      const answer = await raw(guard, lines.join('\r\n'));
      expect(answer).toMatch(/^(HTTP\/1\.1 40[03] |$)/);
      expect(answer.match(/HTTP\/1\.1/g) ?? []).toHaveLength(answer === '' ? 0 : 1);
    });

    test('a request within the body of another', async () => {
      const inner = 'GET /info HTTP/1.1\r\nHost: d\r\n\r\n';
      const outer = `GET /secrets HTTP/1.1\r\nHost: d\r\nContent-Length: ${inner.length}\r\n\r\n`;
      const answer = await raw(guard, outer + inner);
      expect(answer.match(/HTTP\/1\.1 403/g)).toHaveLength(1);
      expect(answer).not.toContain('ServerVersion');
    });
  });

  test('and tells of it in its log, without what was in it', async () => {
    const before = guard.lines.length;
    await create({ ...good, Env: ['TOKEN=sk-secret'], Privileged: true });
    expect(guard.lines.slice(before)).toMatchObject([
      {
        method: 'POST',
        path: '/containers/create',
        reason: 'Privileged differs from the settings of the guard',
      },
    ]);
    expect(JSON.stringify(guard.lines)).not.toContain('sk-secret');
  });

  test('and a server hears which setting differs', async () => {
    const larger = own.runtime({ DOCKER_HOST: guard.url, CONTAINER_MEMORY_LIMIT: '4g' });
    await expect(larger.create({ agentId: 'large', env: {} })).rejects.toMatchObject({
      code: 'engine_refused',
      message: expect.stringContaining('HostConfig.Memory differs from the settings of the guard'),
    });
  });

  test('and a foreign container of an agent’s name is told by its name alone', async () => {
    const { container: name } = containerNames(own.id, 'squatted');
    const squatter = await own.docker.createContainer({
      name,
      Image: BASE_IMAGE,
      Env: ['SECRET=1'],
    });
    try {
      await expect(runtime.create({ agentId: 'squatted', env: {} })).rejects.toMatchObject({
        code: 'name_taken',
      });
      const told = await ask(guard, 'GET', `/containers/${name}/json`);
      expect(told.text).not.toContain('SECRET');
    } finally {
      await squatter.remove({ force: true });
    }
  });

  test('and an engine tells nothing of itself that a server does not read', async () => {
    const { text } = await ask(guard, 'GET', '/info');
    const { NCPU, ServerVersion } = await own.docker.info();
    expect(JSON.parse(text)).toMatchObject({ NCPU, ServerVersion });
    expect(text).not.toMatch(/Proxy|RegistryConfig|Swarm|Labels|Name/);
  });

  test('and it serves the first installation that asks, after a restart too', async () => {
    const installation = randomUUID();
    const list = (id: string) =>
      `/volumes?filters=${encodeURIComponent(JSON.stringify({ label: [`${LABELS.installation}=${id}`] }))}`;
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-guard-'));
    const remember = path.join(directory, 'installation');
    const first = await startTestGuard({ remember });
    refused(await ask(first, 'GET', `/containers/${container}/json`));
    refused(await ask(first, 'GET', list('unknown')));
    expect((await ask(first, 'GET', list(installation))).status).toBe(200);
    refused(await ask(first, 'GET', list(own.id)));
    refused(await ask(first, 'GET', `/containers/${container}/json`));
    await first[Symbol.asyncDispose]();
    await using second = await startTestGuard({ remember });
    refused(await ask(second, 'GET', list(own.id)));
    expect((await ask(second, 'GET', list(installation))).status).toBe(200);
    fs.rmSync(directory, { recursive: true });
  });
});

function exec(Cmd: string[]): Body {
  return { Cmd, AttachStdin: true, AttachStdout: true, AttachStderr: true };
}

async function ask(
  { socket }: TestGuard,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer & { text: string }> {
  const data = body === undefined ? undefined : JSON.stringify(body);
  const headers = data === undefined ? {} : { 'Content-Length': Buffer.byteLength(data) };
  const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.request({ socketPath: socket, method, path, headers, agent: false });
    request.once('response', resolve).once('error', reject).end(data);
  });
  return read(answer);
}

/** The answer to a request for a connection. */
async function upgrade(
  { socket }: TestGuard,
  path: string,
  body: unknown,
  protocol = 'tcp',
): Promise<Answer> {
  const data = JSON.stringify(body);
  const headers = {
    Connection: 'Upgrade',
    Upgrade: protocol,
    'Content-Length': Buffer.byteLength(data),
  };
  return new Promise((resolve, reject) => {
    http
      .request({ socketPath: socket, method: 'POST', path, headers, agent: false })
      .once('response', (answer) => resolve(read(answer)))
      .once('upgrade', (_, connection) => {
        connection.destroy();
        resolve({ status: 101, message: '' });
      })
      .once('error', reject)
      .end(data);
  });
}

async function read(answer: http.IncomingMessage): Promise<Answer & { text: string }> {
  const body = await text(answer);
  const { message = '' } = parsed(body);
  return { status: answer.statusCode ?? 0, message, text: body };
}

function parsed(body: string): { message?: string } {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

/** All that comes back for these bytes, within a second. */
async function raw({ socket }: TestGuard, bytes: string): Promise<string> {
  const connection = net.connect(socket);
  const timer = setTimeout(() => connection.destroy(), 1000);
  connection.write(bytes);
  let answer = '';
  connection.on('data', (chunk) => {
    answer += String(chunk);
  });
  await new Promise((resolve) => connection.once('close', resolve).once('error', resolve));
  clearTimeout(timer);
  return answer;
}
