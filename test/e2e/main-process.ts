import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import {
  type StandInModel,
  type StandInModelOptions,
  startStandInModel,
} from '../fakes/stand-in-model/stand-in-model.ts';
import { nodeEnvironment } from '../setup/node-programs.ts';
import { call, connect, environmentFor, REAL_KEY, removeAgents } from './test-server.ts';

/** The server as a process of its own, which can be killed. */
export type Main = { process: ChildProcess; url: string };

/** A model and settings for servers that follow one another. Disposal kills the last and removes all agents. */
export type World = AsyncDisposable & {
  model: StandInModel;
  dataDir: string;
  /** The settings of all its servers. */
  environment: Record<string, string>;
  /** Starts the server as a user does; resolves when it listens. */
  start(more?: Record<string, string>): Promise<Main>;
};

type WorldOptions = {
  environment?: Record<string, string>;
  model?: Partial<StandInModelOptions>;
  /** Hears every line of the servers' logs. */
  onLog?: (line: string) => void;
};

export async function createWorld(
  runtime: RuntimeKind,
  options: WorldOptions = {},
): Promise<World> {
  const { onLog = () => undefined } = options;
  const script = answerAnything;
  const model = await startStandInModel({ apiKey: REAL_KEY, script, ...options.model });
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-killed-'));
  const environment = { ...environmentFor({ runtime }, model, dataDir), ...options.environment };
  const started: Main[] = [];
  return {
    model,
    dataDir,
    environment,
    async start(more) {
      const main = await startMain({ ...environment, ...more }, onLog);
      started.push(main);
      return main;
    },
    async [Symbol.asyncDispose]() {
      for (const main of started) await kill(main, 'SIGKILL');
      await removeAgents(loadConfig(environment));
      await model.close();
      fs.rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Answers how the process exited; nothing if it has before. */
export async function kill({ process: child }: Main, signal: NodeJS.Signals): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  const exited = once(child, 'exit');
  child.kill(signal);
  return exited;
}

/** Calls a tool without waiting for its end; answers the id of the turn. */
export async function submitted(server: Main, tool: string, args: object): Promise<string> {
  await using client = await connect(server);
  return (await call(client, tool, { ...args, wait: false })).turn_id;
}

export async function waited(server: Main, turnId: string) {
  await using client = await connect(server);
  return await call(client, 'wait_turn', { turn_id: turnId, timeout_seconds: 50 });
}

function startMain(
  environment: Record<string, string>,
  onLog: (line: string) => void,
): Promise<Main> {
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main], {
    env: { ...nodeEnvironment(), ...environment },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error('the server ended before it listened')));
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      onLog(line);
      const entry = readLine(line);
      if (entry.msg === 'Listening' && entry.url) resolve({ process: child, url: entry.url });
    });
  });
}

/** What is not JSON is a sentence for the user, such as about a wrong setting. */
function readLine(line: string): { msg?: string; url?: string } {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
