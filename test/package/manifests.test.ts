import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { expect, test } from 'vitest';
import bundle from '../../mcpb/manifest.json' with { type: 'json' };
import published from '../../package.json' with { type: 'json' };
import listed from '../../server.json' with { type: 'json' };
import schema from './server.schema.json' with { type: 'json' };

const execute = promisify(execFile);
const CHECKOUT = path.join(import.meta.dirname, '../..');
const { name, version, mcpName, description } = published;

test('server.json is as the MCP registry wants it', () => {
  expect(listed.$schema).toBe(schema.$id);
  const ajv = formats.default(new Ajv({ strict: false, allErrors: true }));
  ajv.validate(schema, listed);
  expect(ajv.errors).toBeNull();
});

test('server.json lists the npm package', () => {
  expect(mcpName).toMatch(/^io\.github\.[\w-]+\/codex-hangar$/);
  expect(listed).toMatchObject({ name: mcpName, version, description });
  expect(listed.packages).toMatchObject([{ registryType: 'npm', identifier: name, version }]);
});

test('the manifest of the bundle is valid, and is of the same package', async () => {
  const mcpb = path.join(CHECKOUT, 'node_modules/.bin/mcpb');
  const { stdout } = await execute(mcpb, ['validate', 'mcpb/manifest.json'], { cwd: CHECKOUT });
  expect(stdout).toContain('validation passes');
  expect(bundle).toMatchObject({ name, version, description });
  expect(bundle.compatibility.runtimes).toEqual(published.engines);
});

test('nothing is published under the placeholder', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-publish-'));
  const publish = (owner: string) => {
    for (const file of ['package.json', 'server.json']) {
      const text = fs.readFileSync(path.join(CHECKOUT, file), 'utf8');
      const filled = text.replace(/io\.github\.[\w-]+/, `io.github.${owner}`);
      fs.writeFileSync(path.join(directory, file), filled);
    }
    return execute('npm', ['run', 'prepublishOnly'], { cwd: directory });
  };
  try {
    await expect(publish('OWNER')).rejects.toMatchObject({
      stdout: expect.stringContaining('server.json:  "name": "io.github.OWNER/codex-hangar"'),
    });
    await publish('someone');
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('nothing tells anybody to run a package that is not ours', async () => {
  const { stdout } = await execute('git', ['ls-files'], { cwd: CHECKOUT });
  const files = stdout
    .trim()
    .split('\n')
    .map((file) => path.join(CHECKOUT, file));
  expect(files).toContain(path.join(CHECKOUT, 'README.md'));
  const wrong = files.filter(
    (file) =>
      fs.statSync(file, { throwIfNoEntry: false })?.isFile() &&
      /\bnpx\b(?:\W|args|y|yes)*codex-mcp/.test(fs.readFileSync(file, 'utf8')),
  );
  expect(wrong).toEqual([]);
});
