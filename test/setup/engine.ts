/**
 * Gives tests a Docker engine. Registered as `globalSetup`, it puts the outcome where tests find it:
 *
 *     const engine = inject('engine');
 *     describe.skipIf(!engine.available)('…', …)
 *
 * On Debian as root it installs and starts what is missing. Elsewhere a missing engine skips the
 * tests that need one, and fails the run where CI=true.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import type { TestProject } from 'vitest/node';
import { loadSettings } from '../../src/config/config.ts';
import { SETTING_NAMES } from '../../src/config/settings.ts';
import { AgentImage } from '../../src/runtime/docker/agent-image.ts';
import { Engine } from '../../src/runtime/docker/engine.ts';
import { ensureBaseImage } from './base-image.ts';
import { ensureInstalled } from './debian.ts';
import { measureUnit, readUnit } from './raw-run.ts';

export type EngineOutcome =
  | { available: true; started: boolean }
  | { available: false; reason: string };

declare module 'vitest' {
  interface ProvidedContext {
    engine: EngineOutcome;
  }
}

const START_POLLS = 120;
const POLL_MS = 500;
const DAEMON_LOG = path.join(os.tmpdir(), 'codex-mcp-dockerd.log');

/** For vitest's `globalSetup`. */
export async function setup(project: TestProject): Promise<void> {
  const engine = await ensureEngine((line) => process.stderr.write(`[engine] ${line}\n`));
  if (!engine.available) {
    if (process.env.CI === 'true') throw new Error(`No Docker engine for tests: ${engine.reason}`);
    process.stderr.write(`[engine] tests that need an engine are skipped: ${engine.reason}\n`);
  }
  if (engine.available && readUnit() === undefined) await measureUnit(await prepareAgentImage());
  project.provide('engine', engine);
}

/** Builds the image that all tests share; returns its name. */
export async function prepareAgentImage(): Promise<string> {
  const config = loadSettings(SETTING_NAMES, {
    DOCKER_HOST: process.env.DOCKER_HOST,
    EXTRA_CA_CERTS: extraAuthorities(),
  });
  const image = new AgentImage({ engine: new Engine(config), config });
  await image.ensure(() => undefined);
  return image.name();
}

/** Finds or starts an engine and makes sure that it has the base of the agent image. */
export async function ensureEngine(log: (line: string) => void): Promise<EngineOutcome> {
  const docker = new Docker();
  try {
    const started = !(await answers(docker));
    if (started) await startEngine(docker, log);
    await ensureBaseImage(docker, log);
    return { available: true, started };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Authorities for the agent image, where this machine is behind a TLS-inspecting proxy. */
export function extraAuthorities(): string | undefined {
  return process.env.EXTRA_CA_CERTS ?? process.env.NODE_EXTRA_CA_CERTS ?? process.env.SSL_CERT_FILE;
}

async function startEngine(docker: Docker, log: (line: string) => void): Promise<void> {
  if (process.env.DOCKER_HOST) {
    throw new Error(`the engine of DOCKER_HOST=${process.env.DOCKER_HOST} does not answer`);
  }
  if (process.getuid?.() !== 0 || !fs.existsSync('/etc/debian_version')) {
    throw new Error('none answers, and only root on Debian can have one installed and started');
  }
  await ensureInstalled('dockerd', ['docker.io'], log);
  log(`dockerd is started; its log is ${DAEMON_LOG}`);
  const output = fs.openSync(DAEMON_LOG, 'a');
  const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', output, output] });
  fs.closeSync(output);
  daemon.unref();
  for (let poll = 0; poll < START_POLLS; poll++) {
    if (await answers(docker)) return;
    if (daemon.exitCode !== null) break;
    await sleep(POLL_MS);
  }
  throw new Error(`dockerd did not come up; see ${DAEMON_LOG}`);
}

function answers(docker: Docker): Promise<boolean> {
  return docker.ping().then(
    () => true,
    () => false,
  );
}
