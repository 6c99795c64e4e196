import fs from 'node:fs';
import path from 'node:path';
import { fillSchema } from '../../fakes/stand-in-model/fill-schema.ts';
import type { Script } from '../../fakes/stand-in-model/script.ts';
import { json, shell } from '../../fakes/stand-in-model/step.ts';
import { GVISOR_ROOM, runtime } from '../../machine/oci-runtime.ts';
import {
  type Connection,
  call,
  connect,
  startTestServer,
  type TestServer,
} from '../test-server.ts';
import { isGvisor } from './gvisor.ts';

/** The settings of its server. */
export const CONFINED: Record<string, string> = {
  ...(runtime && { CONTAINER_RUNTIME: runtime }),
  PAUSE_TIMEOUT: '0',
  CONTAINER_MEMORY_LIMIT: '512m',
  CONTAINER_PIDS_LIMIT: '256',
  CONTAINER_DISK_LIMIT: '256m',
  ...(isGvisor && GVISOR_ROOM),
};

export const ATTACKER = 'attacker';
export const VICTIM = 'victim';

/** In a file of the host that everybody there may read. */
export const HOST_CANARY = 'canary-of-the-host-7d1f';
/** In the workspace of the victim. */
export const VICTIM_CANARY = 'canary-of-the-victim-93ab';

export type Ran = {
  /** What the commands of the turn printed. */
  output: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every tool
  result: any;
};

/** One server, an agent of a malicious model, and another one that must not notice. */
export type Rig = {
  server: TestServer;
  client: Connection;
  /** The port of the server on the host's loopback. */
  port: number;
  /** A file of the host that everybody there may read. */
  hostFile: string;
  /** Has the model of an agent run a command in its container. */
  run(agentId: string, command: string, options?: RunOptions): Promise<Ran>;
  /** The same, and what was printed is all that matters. */
  sh(agentId: string, command: string): Promise<string>;
  close(): Promise<void>;
};

type RunOptions = { tool?: string; task?: string; timeoutSeconds?: number };

export async function startRig(environment: Record<string, string>): Promise<Rig> {
  const commands = new Map<string, string>();
  const outputs = new Map<string, string>();
  const server = await startTestServer({
    runtime: 'docker',
    script: scriptOf(commands, outputs),
    environment,
  });
  const client = await connect(server);
  const hostFile = path.join(server.dataDir, 'host.txt');
  fs.writeFileSync(hostFile, HOST_CANARY, { mode: 0o644 });
  let turns = 0;
  const run = async (agentId: string, command: string, options: RunOptions = {}) => {
    const { tool = 'implement', task = 'Go on', timeoutSeconds = 60 } = options;
    const key = `[turn ${++turns}]`;
    commands.set(key, command);
    const args = { agent_id: agentId, timeout_seconds: timeoutSeconds };
    const ask = { [tool === 'codex' ? 'prompt' : 'task']: `${task} ${key}` };
    const result = await call(client, tool, { ...args, ...ask });
    return { result, output: outputs.get(key) ?? '' };
  };
  return {
    server,
    client,
    port: Number(new URL(server.url).port),
    hostFile,
    run,
    sh: async (agentId, command) => (await run(agentId, command)).output,
    async close() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What attempts know of the host, as if they had found it out. */
export function environmentOf({ hostFile, port, server }: Rig): Record<string, string> {
  return { HOST_FILE: hostFile, SERVER_PORT: String(port), DATA_DIR: server.dataDir };
}

/** Does for each prompt the command of the key in it; prompts of several agents come at a time. */
function scriptOf(commands: Map<string, string>, outputs: Map<string, string>): Script {
  return ({ prompt, toolOutputs, schema }) => {
    const key = /\[turn \d+\]/.exec(prompt)?.[0] ?? '';
    const command = commands.get(key);
    if (command !== undefined && toolOutputs.length === 0) return shell(command);
    outputs.set(key, toolOutputs.join('\n'));
    return json(fillSchema(schema));
  };
}
