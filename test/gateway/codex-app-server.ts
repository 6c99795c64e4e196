import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

type CodexTurn = {
  status: string;
  error: { message: string; codexErrorInfo: unknown } | null;
  /** Text of the last message. */
  text: string | undefined;
  /** Types of the items that were completed, in order. */
  items: string[];
};

export type CodexAppServer = AsyncDisposable & {
  readonly home: string;
  readonly workspace: string;
  readonly pid: number;
  turn(prompt: string, options?: { outputSchema?: unknown }): Promise<CodexTurn>;
};

type Message = {
  id?: number;
  method?: string;
  result?: Record<string, never>;
  params?: Record<string, never>;
};

/** Starts the real Codex on stdio, with a provider at a URL and a fresh home and workspace. */
export async function startCodex(options: {
  baseUrl: string;
  token?: string;
  model?: string;
  config?: readonly string[];
}): Promise<CodexAppServer> {
  // Not below the temporary directory, where Codex does not make its helper programs.
  const root = await mkdtemp(path.join(os.homedir(), '.codex-test-'));
  const workspace = await mkdtemp(path.join(os.tmpdir(), 'codex-workspace-'));
  const settings = [
    `model_providers.gateway={name="gateway",base_url="${options.baseUrl}",wire_api="responses",env_key="CODEX_GATEWAY_TOKEN"}`,
    'model_provider="gateway"',
    `model="${options.model ?? 'gpt-5'}"`,
    'features.plugins=false',
    ...(options.config ?? []),
  ];
  const child = spawn(codexProgram(), ['app-server', ...settings.flatMap((line) => ['-c', line])], {
    env: {
      PATH: process.env.PATH,
      HOME: root,
      CODEX_HOME: root,
      CODEX_GATEWAY_TOKEN: options.token ?? 'token',
    },
    cwd: workspace,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const listeners = new Set<(message: Message) => void>();
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const message: Message = JSON.parse(line);
    for (const listener of listeners) listener(message);
  });
  const send = (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`);
  let lastId = 0;
  const call = (method: string, params: object) => {
    lastId += 1;
    const id = lastId;
    return new Promise<Record<string, { id: string }>>((resolve) => {
      const listener = (message: Message) => {
        if (message.id !== id || message.method !== undefined) return;
        listeners.delete(listener);
        resolve(message.result ?? {});
      };
      listeners.add(listener);
      send({ id, method, params });
    });
  };
  await call('initialize', { clientInfo: { name: 'test', title: 'Test', version: '0' } });
  send({ method: 'initialized' });
  const { thread } = await call('thread/start', { cwd: workspace, sandbox: 'read-only' });
  return {
    home: root,
    workspace,
    pid: child.pid ?? 0,
    turn: (prompt, turnOptions) =>
      new Promise((resolve) => {
        const ended: Pick<CodexTurn, 'items' | 'text'> = { items: [], text: undefined };
        const listener = ({ method, params }: Message) => {
          if (method === 'item/completed') noteItem(ended, params as never);
          if (method !== 'turn/completed') return;
          listeners.delete(listener);
          const { turn } = params as unknown as { turn: Pick<CodexTurn, 'status' | 'error'> };
          resolve({ status: turn.status, error: turn.error, ...ended });
        };
        listeners.add(listener);
        void call('turn/start', {
          threadId: thread?.id,
          input: [{ type: 'text', text: prompt }],
          approvalPolicy: 'never',
          sandboxPolicy: { type: 'externalSandbox', networkAccess: 'restricted' },
          ...turnOptions,
        });
      }),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
      await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      await rm(workspace, { recursive: true, force: true });
    },
  };
}

function noteItem(
  turn: Pick<CodexTurn, 'items' | 'text'>,
  { item }: { item: { type: string; text?: string } },
): void {
  turn.items.push(item.type);
  if (item.type === 'agentMessage') turn.text = item.text;
}

/** The native program: npm's own is a Node program around it. */
function codexProgram(): string {
  const require = createRequire(
    createRequire(import.meta.url).resolve('@openai/codex/package.json'),
  );
  const target = { x64: 'x86_64-unknown-linux-musl', arm64: 'aarch64-unknown-linux-musl' }[
    process.arch as 'x64' | 'arm64'
  ];
  const root = path.dirname(require.resolve(`@openai/codex-linux-${process.arch}/package.json`));
  return path.join(root, 'vendor', target, 'bin', 'codex');
}
