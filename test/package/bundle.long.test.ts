import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { getMcpConfigForManifest, unpackExtension } from '@anthropic-ai/mcpb';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';

const execute = promisify(execFile);
const CHECKOUT = path.join(import.meta.dirname, '../..');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-bundle-'));
/** The machine's own Node may be older than what the package asks for. */
const searchPath = `${path.dirname(process.execPath)}:${process.env.PATH}`;
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

test('the bundle starts as its host starts it, with nothing filled in', async () => {
  await execute('npm', ['pack', '--silent', '--pack-destination', directory], { cwd: CHECKOUT });
  const [name = ''] = fs.readdirSync(directory).filter((file) => file.endsWith('.tgz'));
  const archive = path.join(directory, name);
  const env = { ...process.env, PATH: `${CHECKOUT}/node_modules/.bin:${searchPath}` };
  const bundle = path.join(directory, 'codex-hangar.mcpb');
  await execute('mcpb/pack.sh', [bundle, archive], { cwd: CHECKOUT, env });
  const extensionPath = path.join(directory, 'extension');
  await unpackExtension({ mcpbPath: bundle, outputDir: extensionPath, silent: true });
  const started = await getMcpConfigForManifest({
    manifest: JSON.parse(fs.readFileSync(path.join(extensionPath, 'manifest.json'), 'utf8')),
    extensionPath,
    systemDirs: {},
    userConfig: {},
    pathSeparator: path.sep,
  });
  if (!started) throw new Error('The manifest names no command');
  const DATA_DIR = path.join(directory, 'data');
  const settings = {
    PATH: searchPath,
    HOME: directory,
    AGENT_RUNTIME: 'process',
    DATA_DIR,
    MCP_PORT: '0',
  };
  const client = new Client({ name: 'host', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({
      ...started,
      env: { ...started.env, ...settings },
      stderr: 'ignore',
    }),
  );
  expect(client.getServerVersion()).toMatchObject({ name: 'codex-mcp-server', version: VERSION });
  await client.close();
});
