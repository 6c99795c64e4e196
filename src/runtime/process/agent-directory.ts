import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { type AgentId, agentIdSchema } from '../../identity/agent-id.ts';
import type { VolumeSummary } from '../container-runtime.ts';
import { hasCode } from './system-error.ts';

const recordSchema = z.object({
  agentId: agentIdSchema,
  id: z.string(),
  env: z.record(z.string(), z.string()),
  gatewayPort: z.number().int(),
  /** Of the Codex program and the format of this record. */
  fingerprint: z.string(),
  main: z.object({ pid: z.number().int(), birth: z.string() }).optional(),
  exitCode: z.number().int().optional(),
});

/** The content of container.json, which may be older than the processes. */
export type ContainerRecord = z.output<typeof recordSchema>;

/** The directory of one agent: its "container" and "volumes". */
export class AgentDirectory {
  readonly agentId: AgentId;
  readonly root: string;
  readonly home: string;
  readonly codexHome: string;
  readonly temporary: string;
  readonly log: string;
  /** Codex links this path to a short one, so its length is not limited to that of a socket address. */
  readonly socket: string;
  /** Environment variable that marks every process of the agent. */
  readonly marker: readonly [name: string, value: string];
  readonly #record: string;
  /** A file that exists during a copy from another agent. */
  readonly #copyMark: string;

  /** Throws `invalid_input` for an id that is not a plain file name. */
  constructor(parent: string, agentId: AgentId) {
    if (!agentIdSchema.safeParse(agentId).success) {
      throw new AppError('invalid_input', 'The agent id contains characters that are not allowed.');
    }
    this.agentId = agentId;
    this.root = path.join(parent, agentId);
    this.home = path.join(this.root, 'home');
    this.codexHome = path.join(this.home, '.codex');
    this.temporary = path.join(this.root, 'tmp');
    this.log = path.join(this.root, 'main.log');
    this.socket = path.join(this.root, 'app.sock');
    this.marker = ['CODEX_MCP_AGENT', sha256(this.root).slice(0, 32)];
    this.#record = path.join(this.root, 'container.json');
    this.#copyMark = path.join(this.root, 'copying');
  }

  /** Undefined for a missing container. */
  async readRecord(): Promise<ContainerRecord | undefined> {
    const text = await unlessMissing(fs.readFile(this.#record, 'utf8'));
    if (text === undefined) return undefined;
    const record = parseRecord(text);
    if (!record) return undefined;
    if (record.agentId !== this.agentId) {
      // On a file system that ignores case, two agents can have the same directory.
      throw new AppError(
        'name_taken',
        `The agent ${record.agentId} has the same name in another case.`,
      );
    }
    return record;
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    await fs.writeFile(`${this.#record}.new`, JSON.stringify(record), { mode: 0o600 });
    await fs.rename(`${this.#record}.new`, this.#record);
  }

  /** The real path of the workspace. */
  get workspace(): string {
    try {
      return readlinkSync(this.#ownWorkspace);
    } catch {
      return this.#ownWorkspace;
    }
  }

  /** A directory, or a link to a directory of the machine, whose removal keeps the files. */
  get #ownWorkspace(): string {
    return path.join(this.root, 'workspace');
  }

  /** Creates missing directories. */
  async make(workspacePath?: string): Promise<void> {
    await fs.mkdir(this.root, { recursive: true, mode: 0o700 });
    if (workspacePath !== undefined) await linkTo(workspacePath, this.#ownWorkspace);
    for (const directory of [this.workspace, this.home, this.codexHome]) {
      await fs.mkdir(directory, { recursive: true, mode: 0o700 });
    }
  }

  async beginCopy(): Promise<void> {
    await fs.mkdir(this.root, { recursive: true, mode: 0o700 });
    await fs.writeFile(this.#copyMark, '');
  }

  async endCopy(): Promise<void> {
    await fs.rm(this.#copyMark, { force: true });
  }

  async isCopying(): Promise<boolean> {
    return (await unlessMissing(fs.stat(this.#copyMark))) !== undefined;
  }

  /** `createdAt` is undefined for a directory of another program. */
  async volumes(): Promise<
    Omit<VolumeSummary, 'agentId' | 'createdAt'> & { createdAt?: Date | undefined }
  > {
    const [root, home, workspace] = await Promise.all(
      [this.root, this.home, this.workspace].map((directory) => unlessMissing(fs.stat(directory))),
    );
    return {
      createdAt: home && root?.birthtime,
      holdsWorkspace: workspace !== undefined,
      holdsHome: home !== undefined,
    };
  }

  /** Creates an empty directory for temporary files. */
  async resetTemporary(): Promise<void> {
    await removeTree(this.temporary);
    await fs.mkdir(this.temporary, { mode: 0o700 });
  }

  async removeSocket(): Promise<void> {
    const target = path.join(`/tmp/codex-daemon-${process.geteuid?.()}`, sha256(this.socket));
    for (const file of [this.socket, target, `${target}.lock`]) await fs.rm(file, { force: true });
  }

  async removeContainer(): Promise<void> {
    await this.removeSocket();
    await removeTree(this.temporary);
    for (const file of [this.log, this.#copyMark, `${this.#record}.new`, this.#record]) {
      await fs.rm(file, { force: true });
    }
  }

  async removeAll(): Promise<void> {
    await removeTree(this.root);
  }
}

/** A record that a crash of the machine cut short counts as missing. */
function parseRecord(text: string): ContainerRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The names in a directory that are agent ids; empty for a missing directory. */
export async function listAgentIds(parent: string): Promise<AgentId[]> {
  const entries = (await unlessMissing(fs.readdir(parent, { withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => agentIdSchema.safeParse(name).data ?? []);
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function linkTo(target: string, link: string): Promise<void> {
  await fs.symlink(target, link).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
}

async function removeTree(directory: string): Promise<void> {
  try {
    await fs.rm(directory, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // Package caches contain directories without write permission.
    await promisify(execFile)('chmod', ['-R', 'u+rwx', directory]).catch(() => undefined);
    await fs.rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
