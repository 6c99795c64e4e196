import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { settingsData, settingsOutput } from '../agents/threads/agent-settings-data.ts';
import { REASONING_EFFORTS } from '../agents/threads/thread.ts';
import type { Config } from '../config/config.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';

const PATIENCE_MS = 3_000;
const SKILLS_LISTED = 200;
const FILES_LISTED = 50;
/** What an agent says of itself is only so long. */
const TEXT_LENGTH = 1000;

/** What an agent goes by, beyond what a call says. */
export const inForce = z.object({
  ...settingsOutput,
  model: z.string().describe('Of turns that name none.'),
  reasoning_effort: z.enum(REASONING_EFFORTS),
  skills: z
    .array(
      z.object({
        name: z.string(),
        description: z.string(),
        source: z
          .string()
          .describe('admin: the server or its image; repo: the workspace; user: its home; system.'),
        path: z.string(),
      }),
    )
    .nullable()
    .describe('What Codex finds now. Null while the agent sleeps: nobody is woken to tell.'),
  instruction_files: z
    .array(z.string())
    .nullable()
    .describe(
      'Files, such as an AGENTS.md, that Codex read into the conversation of the agent. Null while it sleeps.',
    ),
});

type Services = {
  agents: AgentManager;
  runtime: ContainerRuntime;
  config: Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
};

/** Wakes nobody. */
export async function describeInForce(
  { agents, runtime, config }: Services,
  { agentId, settings }: AgentRecord,
): Promise<z.input<typeof inForce>> {
  const link = await agents.linkOf(agentId);
  return {
    ...settingsData(settings),
    model: settings.model ?? config.CODEX_MODEL,
    reasoning_effort: settings.effort ?? config.CODEX_REASONING,
    skills: link ? await skillsOf(link, runtime.layout(agentId).workspace) : null,
    instruction_files:
      link?.threads.instructionSources
        ?.slice(0, FILES_LISTED)
        .map((file) => file.slice(0, TEXT_LENGTH)) ?? null,
  };
}

async function skillsOf({ codex }: AgentLink, workspace: string) {
  // It may be put to sleep in the middle of the question.
  const late = sleep(PATIENCE_MS, undefined, { ref: false });
  const found = await Promise.race([codex.listSkills(workspace), late]).catch(() => undefined);
  if (!found) return null;
  return found.slice(0, SKILLS_LISTED).map(({ name, description, scope, path }) => ({
    name: name.slice(0, TEXT_LENGTH),
    description: description.slice(0, TEXT_LENGTH),
    source: scope.slice(0, TEXT_LENGTH),
    path: path.slice(0, TEXT_LENGTH),
  }));
}
