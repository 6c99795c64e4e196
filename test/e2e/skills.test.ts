import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { mcpTool, shell, text } from '../fakes/stand-in-model/step.ts';
import { hostGateway } from './compose-project.ts';
import { startRemoteWords } from './remote-words.ts';
import { wordsServer, writeSkill } from './skill-files.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const MOUNTED = '/etc/codex/skills/server';

const SKILL = { description: 'Greets people as they like it.', body: 'Run scripts/greet.sh.' };

/** Does what the prompt says after "run ", once, and says what came of it. */
const script: Script = (request) => {
  const { prompt, toolOutputs, schema } = request;
  const [, command] = /^run (.*)/.exec(prompt) ?? [];
  const [, word, source = ''] = /^look up (\w+) in (\w+)/.exec(prompt) ?? [];
  if (schema !== undefined || !(command || word)) return answerAnything(request);
  if (toolOutputs.length > 0) return text(toolOutputs.join('\n'));
  return command ? shell(command) : mcpTool(source, 'look_up', { word });
};

function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-skills-'));
  fs.chmodSync(directory, 0o755);
  return directory;
}

function lastBody({ model }: TestServer): string {
  return JSON.stringify(model.requests.at(-1)?.body);
}

async function as(server: TestServer, who: string, role: string): Promise<Connection> {
  const token = await new SignJWT({ sub: who, role })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  return connect(server, 'http', '', token);
}

describe.runIf(engine.available)('in a container', () => {
  const skills = temporaryDirectory();
  const list = path.join(temporaryDirectory(), 'servers.json');
  let remote: Awaited<ReturnType<typeof startRemoteWords>>;
  let here: string;
  let server: TestServer;
  let ann: Connection;

  beforeAll(async () => {
    here = await hostGateway(new Docker());
    remote = await startRemoteWords(here);
    writeSkill(skills, 'greet', { ...SKILL, scripts: { 'greet.sh': 'echo "Saluton, $1!"' } });
    writeSkill(skills, 'tools', {
      description: 'Programs.',
      scripts: { 'words.mjs': wordsServer },
    });
    const program = { command: 'node', args: [`${MOUNTED}/tools/scripts/words.mjs`] };
    const mcpServers = { words: program, afar: { url: `http://${here}:${remote.port}/mcp` } };
    fs.writeFileSync(list, JSON.stringify({ mcpServers }));
    server = await startTestServer({
      runtime: 'docker',
      script,
      environment: {
        ...{ SKILLS_DIR: skills, AGENT_MCP_SERVERS_FILE: list, JWT_SECRET: SECRET },
        EGRESS_ALLOW_PRIVATE: `${here}/32`,
      },
    });
    ann = await as(server, 'ann', 'developer');
  });
  afterAll(async () => {
    await ann[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await remote[Symbol.asyncDispose]();
    for (const directory of [skills, path.dirname(list)]) fs.rmSync(directory, { recursive: true });
  });

  test('a skill of the server is found, forced and run, and cannot be written', async () => {
    const run = (prompt: string, more: object = {}) =>
      call(ann, 'codex', { agent_id: 'a', prompt, ...more });
    const forced = await run(`run sh ${MOUNTED}/greet/scripts/greet.sh Ann`, { skills: ['greet'] });
    expect(forced.content).toContain('Saluton, Ann!');
    expect(lastBody(server)).toContain('<name>greet</name>');
    expect(lastBody(server)).toContain(SKILL.body);
    // As far as the rights of files go, everybody may.
    for (const file of ['.', 'greet', 'greet/SKILL.md'])
      fs.chmodSync(path.join(skills, file), 0o777);
    const unforced = await run(`run echo x >> ${MOUNTED}/greet/SKILL.md; touch ${MOUNTED}/x`);
    expect(unforced.content).toMatch(/Read-only file system[\s\S]*Read-only file system/);
    expect(lastBody(server)).not.toContain(SKILL.body);
    // Codex tells the model of all skills.
    expect(lastBody(server)).toContain(SKILL.description);
    expect(fs.readdirSync(skills).sort()).toEqual(['greet', 'tools']);
    writeSkill(skills, 'later', { description: 'Comes later.', body: 'Say so.' });
    await run('run true', { skills: ['later'] });
    expect(lastBody(server)).toContain('Say so.');
    const { in_force } = await call(ann, 'get_my_session_info', { agent_id: 'a' });
    expect(in_force.skills).toContainEqual({
      name: 'greet',
      description: SKILL.description,
      source: 'admin',
      path: `${MOUNTED}/greet/SKILL.md`,
    });
  });

  test('a skill that is not there is refused with those that are', async () => {
    const refused = call(ann, 'chat', { agent_id: 'a', message: 'x', skills: ['greet', 'sing'] });
    await expect(refused).rejects.toMatchObject({ code: 'skill_not_found' });
    await expect(refused).rejects.toThrow(/no skill "sing"; it has: greet, later, tools/);
  });

  test('calls fail while the directory is away, and agents wake once it is back', async () => {
    await call(ann, 'cleanup_inactive_agents');
    const away = `${skills}-away`;
    fs.renameSync(skills, away);
    const missing = { code: 'skills_missing' };
    for (const agent_id of ['a', 'new']) {
      await expect(call(ann, 'chat', { agent_id, message: 'x' })).rejects.toMatchObject(missing);
    }
    fs.renameSync(away, skills);
    await call(ann, 'chat', { agent_id: 'a', message: 'x', skills: ['greet'] });
  });

  test('a tool of an MCP server runs once somebody approves it', async () => {
    await call(ann, 'configure_agent', { agent_id: 'a', mcp_servers: ['words'] });
    await using eve = await as(server, 'eve', 'approver');
    const ask = (approve: boolean, sandbox: string) =>
      answered(ann, eve, approve, {
        agent_id: 'a',
        prompt: 'look up quince in words',
        'approval-policy': 'on-request',
        sandbox,
      });
    const agreed = await ask(true, 'read-only');
    expect(agreed.asked).toMatchObject({
      kind: 'mcp_tool',
      operation: 'words: Allow the words MCP server to run tool "look_up"?',
      arguments: { server: 'words', call: { tool_params: { word: 'quince' } } },
    });
    expect(agreed.content).toContain('quince: a fruit');
    expect((await ask(false, 'read-only')).content).not.toContain('a fruit');
    const never = { agent_id: 'a', prompt: 'look up quince in words' };
    expect((await call(ann, 'codex', never)).content).toContain('quince: a fruit');
    await call(ann, 'configure_agent', { agent_id: 'a', mcp_servers: null });
    expect((await call(ann, 'codex', never)).content).not.toContain('a fruit');
  });

  test('a remote MCP server is reached as far as the egress rules of the agent go', async () => {
    await call(ann, 'configure_agent', { agent_id: 'a', mcp_servers: ['afar'] });
    const ask = async () =>
      (await call(ann, 'codex', { agent_id: 'a', prompt: 'look up quince in afar' })).content;
    expect(await ask()).not.toContain('from afar');
    await using eve = await as(server, 'eve', 'approver');
    await call(eve, 'allow_egress', { agent_id: 'a@ann', host: here, port: remote.port });
    expect(await ask()).toContain('quince: from afar');
  });
});

/** Puts a call, and decides on what Codex asks for in it. */
async function answered(caller: Connection, approver: Connection, approve: boolean, args: object) {
  const { turn_id } = await call(caller, 'codex', { ...args, wait: false });
  const pending = async () => (await call(approver, 'list_approvals')).approvals;
  const isOurs = expect.objectContaining({ turn_id, state: 'pending' });
  await expect.poll(pending, { timeout: 90_000 }).toContainEqual(isOurs);
  const [asked] = (await pending()).filter((one: { turn_id: string }) => one.turn_id === turn_id);
  await call(approver, 'decide_approval', { approval_id: asked.approval_id, approve });
  const { result } = await call(caller, 'wait_turn', { turn_id });
  return { asked, content: result.content };
}

test('without containers the skills are where Codex is told to look', async () => {
  const skills = temporaryDirectory();
  writeSkill(skills, 'greet', SKILL);
  const environment = { SKILLS_DIR: skills };
  await using server = await startTestServer({ runtime: 'process', script, environment });
  await using client = await connect(server);
  await call(client, 'codex', { prompt: 'Hello', skills: ['greet'] });
  expect(lastBody(server)).toContain(SKILL.body);
  const refused = call(client, 'configure_agent', { agent_id: 'a', mcp_servers: ['x'] });
  await expect(refused).rejects.toMatchObject({ code: 'invalid_input' });
  fs.rmSync(skills, { recursive: true });
});
