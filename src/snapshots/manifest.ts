import { z } from 'zod';
import type { AgentRecord } from '../agents/agent.ts';
import {
  type AgentSettings,
  changedSettings,
  type SettingsChange,
} from '../agents/threads/agent-settings.ts';
import { changeOf, settingsData, settingsInput } from '../agents/threads/agent-settings-data.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';

/** The first entry of every archive. */
export const MANIFEST = 'manifest.json';
/** Two texts of instructions of 1 MiB each, which are longer as JSON. */
export const MANIFEST_BYTES = 8 * 1024 * 1024;
const FORMAT = 1;

const schema = z.object({
  format: z.literal(FORMAT),
  product: z.object({ name: z.string(), version: z.string() }),
  codex_version: z.string(),
  agent_id: z.string().max(300),
  /** The conversation in `sessions/`. */
  session_id: z.uuid().nullable(),
  /** Digest of the instructions that the conversation has been given. */
  told_instructions: z.string().max(100).nullish(),
  /** Digest of the source of the workspace. */
  source: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullish(),
  settings: z.object(settingsInput),
  created_at: z.iso.datetime(),
});

export type Manifest = {
  agentName: AgentName;
  threadId?: string | undefined;
  toldInstructions?: string | undefined;
  source?: string | undefined;
  settings: AgentSettings;
};

export function writeManifest(
  { name, threadId, forkOf, toldInstructions, source, settings }: AgentRecord,
  versions: { product: string; codex: string },
): string {
  const session = z.uuid().safeParse(threadId ?? forkOf).data;
  const manifest: z.input<typeof schema> = {
    format: FORMAT,
    product: { name: 'codex-mcp-server', version: versions.product },
    codex_version: versions.codex,
    agent_id: name,
    session_id: session ?? null,
    told_instructions: toldInstructions ?? null,
    source: source || null,
    settings: settingsData(settings),
    created_at: new Date().toISOString(),
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** Parses an untrusted manifest. Throws `archive_invalid`. */
export function readManifest(text: string): Manifest {
  const { data, error } = schema.safeParse(parsed(text));
  if (!data) {
    const [issue] = error.issues;
    const where = issue?.path.join('.') || MANIFEST;
    throw wrong(`${where}: ${issue?.message}. This server reads format ${FORMAT}`);
  }
  const change: SettingsChange = changeOf(data.settings);
  return {
    agentName: data.agent_id,
    threadId: data.session_id?.toLowerCase(),
    toldInstructions: data.told_instructions ?? undefined,
    source: data.source ?? undefined,
    settings: changedSettings({}, change),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('it is no JSON');
  }
}

function wrong(why: string): AppError {
  return new AppError('archive_invalid', `${MANIFEST} cannot be used: ${why}.`, {
    data: { entry: MANIFEST },
  });
}
