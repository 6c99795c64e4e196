import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { LABELS } from '../src/runtime/docker/labels.ts';
import { scriptedEngineer } from './demo/scripted-model.ts';
import { startDemo } from './demo/start-demo.ts';
import { answerAnything } from './fakes/stand-in-model/script.ts';
import { startStandInModel } from './fakes/stand-in-model/stand-in-model.ts';
import { RUNTIMES } from './setup/runtimes.ts';

const LIMIT_MS = 300_000;
const engine = inject('engine');

/** Everything a demo makes outside of containers is in here. */
let scratch: string;

beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-demo-test-'));
});

afterEach(() => fs.rmSync(scratch, { recursive: true, force: true }));

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
  const environment = { AGENT_RUNTIME: runtime };

  test(
    'the demo shows plan, true diff, review and session, and leaves nothing',
    async () => {
      const demo = startDemo(scratch, environment);
      expect(await demo.exitCode, demo.output()).toBe(0);
      const output = demo.output();
      expect(output).toContain('STAND-IN MODEL: no OPENAI_API_KEY found');
      expect(output).toContain('Failed (1): node --test');
      expect(output).toContain('+++ b/slugify.js\n    @@ -0,0 +1,9 @@\n');
      expect(output).toContain('complexity: low');
      expect(output).toMatch(/maintainability +■+□ 9\/10/);
      expect(output).toMatch(/agent id +demo-[0-9a-f]{6}\n/);
      expect(output).not.toContain('\u001b[');
      await expectNothingLeft(output);
    },
    LIMIT_MS,
  );

  test(
    'Ctrl-C in the middle of a turn ends the demo and leaves nothing',
    async () => {
      const demo = startDemo(scratch, environment);
      await expect.poll(demo.output, { timeout: 60_000 }).toContain('Running: node --test');
      demo.child.kill('SIGINT');
      // npm repeats the signal that a terminal has sent already.
      demo.child.kill('SIGINT');
      expect(await demo.exitCode).toBe(130);
      expect(demo.output()).toContain('Stopped by SIGINT.');
      await expectNothingLeft(demo.output());
    },
    LIMIT_MS,
  );
});

test(
  'without an engine it says so and runs as processes, and with a key it asks the configured model',
  async () => {
    await using model = await startStandInModel({ apiKey: 'sk-own', script: scriptedEngineer });
    const demo = startDemo(scratch, {
      DOCKER_HOST: `unix://${scratch}/none.sock`,
      OPENAI_API_KEY: 'sk-own',
      OPENAI_BASE_URL: model.url,
    });
    expect(await demo.exitCode, demo.output()).toBe(0);
    expect(demo.output()).toContain('The Docker engine does not answer');
    expect(demo.output()).toContain('+++ b/slugify.js');
    expect(demo.output()).toContain('The model is gpt-5 of openai.');
    expect(demo.output()).not.toContain('STAND-IN');
    expect(demo.output()).not.toContain('sk-own');
    await expectNothingLeft(demo.output());
  },
  LIMIT_MS,
);

test(
  'a key that is refused ends the demo with the reason and leaves nothing',
  async () => {
    await using model = await startStandInModel({ apiKey: 'sk-other', script: answerAnything });
    const demo = startDemo(scratch, {
      AGENT_RUNTIME: 'process',
      OPENAI_API_KEY: 'sk-own',
      OPENAI_BASE_URL: model.url,
    });
    expect(await demo.exitCode, demo.output()).toBe(1);
    expect(demo.output()).toContain('✗ model_unauthorized: Incorrect API key provided.');
    await expectNothingLeft(demo.output());
  },
  LIMIT_MS,
);

test(
  'a server that dies in the middle of a turn ends the demo, and its agent is removed',
  async () => {
    const demo = startDemo(scratch, { AGENT_RUNTIME: 'process' });
    await expect.poll(demo.output, { timeout: 60_000 }).toContain('Running: node --test');
    const [pid] = childrenOf(demo.child.pid);
    process.kill(Number(pid), 'SIGKILL');
    expect(await demo.exitCode).toBe(1);
    expect(demo.output()).toContain('The server ended by itself.');
    await expectNothingLeft(demo.output());
  },
  LIMIT_MS,
);

test('a wrong setting is told in a sentence', async () => {
  const demo = startDemo(scratch, { SESSION_TIMEOUT: 'soon' });
  expect(await demo.exitCode).toBe(1);
  expect(demo.output()).toContain('SESSION_TIMEOUT is "soon". Allowed: a whole number');
  await expectNothingLeft(demo.output());
});

async function expectNothingLeft(output: string): Promise<void> {
  expect(fs.readdirSync(scratch)).toEqual([]);
  expect(processesWith(`TMPDIR=${scratch}`)).toEqual([]);
  const agentId = /demo-[0-9a-f]{6}\b/.exec(output)?.[0];
  if (!engine.available || agentId === undefined) return;
  const docker = new Docker();
  const filters = { label: [`${LABELS.agent}=${agentId}`] };
  expect(await docker.listContainers({ all: true, filters })).toEqual([]);
  expect((await docker.listVolumes({ filters })).Volumes).toEqual([]);
}

/** Commands of all processes whose environment holds a setting. Linux only. */
function processesWith(setting: string): string[] {
  if (process.platform !== 'linux') return [];
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/environ`).includes(setting))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
}

function childrenOf(parent: number | undefined): string[] {
  return execFileSync('pgrep', ['-P', String(parent)], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

/** Processes end, and those of others cannot be looked into. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
