import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { loadSettings } from '../../../src/config/config.ts';
import type { EngineCallName } from '../../../src/runtime/engine-guard/engine-calls.ts';
import { GUARD_SETTINGS } from '../../../src/runtime/engine-guard/engine-guard.ts';
import { startEngineGuard } from '../../../src/runtime/engine-guard/guard-server.ts';
import { extraAuthorities } from '../../setup/engine.ts';

/** The engine's own socket. */
export const ENGINE_SOCKET =
  process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock';

export type TestGuard = AsyncDisposable & {
  /** For DOCKER_HOST. */
  url: string;
  /** Where it listens, if that is a socket. */
  socket: string;
  /** What was let through so far. */
  calls: Set<EngineCallName>;
  /** Its log. */
  lines: Record<string, unknown>[];
  directory: string;
};

/** A guard before the engine of the tests, with the settings that servers of tests have. */
export async function startTestGuard(
  options: {
    environment?: Record<string, string>;
    listen?: string;
    remember?: string;
    engine?: string;
  } = {},
): Promise<TestGuard> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-guard-'));
  const authorities = extraAuthorities();
  const environment = {
    ...(authorities && { EXTRA_CA_CERTS: authorities }),
    ...options.environment,
  };
  const calls = new Set<EngineCallName>();
  const lines: Record<string, unknown>[] = [];
  const socket = path.join(directory, 'engine.sock');
  const guard = await startEngineGuard({
    socket: options.engine ?? ENGINE_SOCKET,
    listen: options.listen ?? `unix://${socket}`,
    remember: options.remember,
    config: loadSettings(GUARD_SETTINGS, environment),
    log: pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    onCall: (name) => calls.add(name),
  });
  return {
    ...{ url: guard.url, socket, calls, lines, directory },
    async [Symbol.asyncDispose]() {
      await guard[Symbol.asyncDispose]();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}
