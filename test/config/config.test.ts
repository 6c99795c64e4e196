import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { configurationPage, exampleEnvFile } from '../../docs/pages/configuration-page.ts';
import { ConfigError } from '../../src/config/config.ts';
import { loadConfig } from '../../src/server/load-config.ts';

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function envFile(content: string): string {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'config-')), '.env');
  fs.writeFileSync(file, content);
  return file;
}

test('the defaults are those that users of such servers know', () => {
  expect(loadConfig({})).toMatchObject({
    MCP_HOST: '127.0.0.1',
    MCP_PORT: 8210,
    CODEX_MODEL: 'gpt-5',
    CODEX_REASONING: 'medium',
    MAX_CONCURRENT_SESSIONS: 20,
    SESSION_TIMEOUT: 3600,
    CONTAINER_CPU_LIMIT: 4,
    CONTAINER_MEMORY_LIMIT: 2048 * 1024 * 1024,
    LOG_LEVEL: 'info',
  });
});

test('a wrong value is named with its variable, the value and what is allowed', () => {
  expect(problemsOf({ MCP_PORT: 'http' })).toEqual([
    'MCP_PORT is "http". Allowed: a whole number from 0 to 65535.',
  ]);
});

test('all problems are told together', () => {
  expect(
    problemsOf({ MCP_PORT: '70000', AGENT_RUNTIME: 'lxc', SESSION_TIMEOUT: '0' }),
  ).toHaveLength(3);
});

test('a secret that is too short is refused and not shown, an issuer needs an audience', () => {
  const [problem] = problemsOf({ JWT_SECRET: 'short-secret' });
  expect(problem).toContain('JWT_SECRET is a secret that is not shown. Allowed: at least 32');
  expect(problemsOf({ OIDC_ISSUER: 'https://login.example' })[0]).toContain('OIDC_AUDIENCE');
});

test('a provider other than OpenAI needs its URL', () => {
  expect(problemsOf({ CODEX_PROVIDER: 'azure' })[0]).toContain('OPENAI_BASE_URL');
});

test('a ChatGPT login pays for nobody but OpenAI', () => {
  const provider = { CODEX_PROVIDER: 'azure', OPENAI_BASE_URL: 'https://azure.example.com' };
  expect(problemsOf({ ...provider, CODEX_AUTH_METHOD: 'oauth' })).toEqual([
    'CODEX_AUTH_METHOD is "oauth", and CODEX_PROVIDER is "azure". Allowed: auto or api_key.',
  ]);
});

test('tokens are not sent unencrypted to another machine', () => {
  expect(problemsOf({ OAUTH_ISSUER: 'http://auth.example.com' })[0]).toContain('unencrypted');
  expect(problemsOf({ OAUTH_ISSUER: 'http://127.0.0.1:8080' })).toEqual([]);
});

test('a CA file that is not there and a schedule that is none are refused', () => {
  const problems = problemsOf({ EXTRA_CA_CERTS: '/nowhere.pem', REAPER_SCHEDULE: 'often' });
  expect(problems.join()).toMatch(/REAPER_SCHEDULE is "often".*EXTRA_CA_CERTS is "\/nowhere.pem"/s);
});

test('values in .env may be quoted, and the environment wins over them', () => {
  const file = envFile('CODEX_MODEL="gpt-5.5"\nOPENAI_API_KEY=\'sk-quoted\'\nMCP_PORT=1\n');
  expect(loadConfig({ MCP_PORT: '2' }, file)).toMatchObject({
    CODEX_MODEL: 'gpt-5.5',
    OPENAI_API_KEY: 'sk-quoted',
    MCP_PORT: 2,
  });
});

test('an empty value counts as unset', () => {
  expect(loadConfig({ OPENAI_API_KEY: '', MCP_PORT: '' })).toMatchObject({ MCP_PORT: 8210 });
  expect(loadConfig({ OPENAI_API_KEY: '' }).OPENAI_API_KEY).toBeUndefined();
});

test('log levels are taken in any case, by the names of other loggers too', () => {
  expect(loadConfig({ LOG_LEVEL: 'WARNING' }).LOG_LEVEL).toBe('warn');
});

test('sizes are taken with a unit', () => {
  expect(loadConfig({ CONTAINER_MEMORY_LIMIT: '2g' }).CONTAINER_MEMORY_LIMIT).toBe(2 ** 31);
  expect(problemsOf({ CONTAINER_MEMORY_LIMIT: '1m' })).toHaveLength(1);
});

test.each([
  ['docs/configuration.md', configurationPage],
  ['.env.example', exampleEnvFile],
])('%s says what the schema says', (file, make) => {
  const written = fs.readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  expect(written, 'run `npm run docs`').toBe(make());
});

test('skills are in a directory that is there, unless the engine is elsewhere', () => {
  const [problem] = problemsOf({ SKILLS_DIR: '/nowhere/skills' });
  expect(problem).toBe(
    'SKILLS_DIR is "/nowhere/skills". Allowed: absolute path of a directory that can be read.',
  );
  expect(problemsOf({ SKILLS_DIR: 'skills' })).toHaveLength(1);
  expect(problemsOf({ SKILLS_DIR: import.meta.filename })).toHaveLength(1);
  expect(problemsOf({ SKILLS_DIR: os.tmpdir() })).toEqual([]);
  expect(problemsOf({ SKILLS_DIR: '/nowhere', DOCKER_HOST: 'ssh://me@there' })).toEqual([]);
});

test('roots of workspaces are apart, there, and on the machine of the engine', () => {
  const [problem] = problemsOf({ WORKSPACE_ROOTS: '/nowhere/x' });
  expect(problem).toContain('WORKSPACE_ROOTS has "/nowhere/x". Allowed: absolute paths');
  const [one, other] = [import.meta.dirname, path.join(import.meta.dirname, '../store')];
  expect(problemsOf({ WORKSPACE_ROOTS: `${one}:${other}/:` })).toEqual([]);
  for (const wrong of ['relative', '/', `${one}:/`, import.meta.filename, `${other}/..:${other}`]) {
    expect(problemsOf({ WORKSPACE_ROOTS: wrong }), wrong).toHaveLength(1);
  }
  const elsewhere = { WORKSPACE_ROOTS: one, DOCKER_HOST: 'tcp://there:2375' };
  expect(problemsOf(elsewhere)).toEqual([expect.stringContaining('DOCKER_HOST is "tcp://there')]);
  expect(problemsOf({ ...elsewhere, AGENT_RUNTIME: 'process' })).toEqual([]);
});

test('a list of MCP servers says where it is wrong, and not what it holds', () => {
  const problem = (list: unknown) => {
    const text = typeof list === 'string' ? list : JSON.stringify(list);
    return problemsOf({ AGENT_MCP_SERVERS_FILE: envFile(text) })[0];
  };
  expect(problem({ mcpServers: { a: { command: 'node' }, b: { url: 'http://b.test' } } })).toBe(
    undefined,
  );
  expect(problem('{ "secret')).toBe('AGENT_MCP_SERVERS_FILE: it is not JSON');
  const server = { command: 'node', headers: { authorization: 'secret' } };
  expect(problem({ mcpServers: { a: server } })).toContain('mcpServers.a is not as');
  expect(problem({ mcpServers: { 'a b': { command: 'node' } } })).toContain('mcpServers.a b');
  expect(problem({ servers: {} })).toContain('is not as docs/skills.md says');
  expect(problemsOf({ AGENT_MCP_SERVERS_FILE: '/nowhere.json' })[0]).toContain('ENOENT');
});
