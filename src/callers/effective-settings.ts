import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import type { AgentSettings } from '../agents/threads/agent-settings.ts';
import type { Config } from '../config/config.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';

const SKILLS_TIMEOUT_MS = 3_000;
const SKILLS_LISTED = 200;
const FILES_LISTED = 50;
/** The agent itself writes these texts. */
const TEXT_LENGTH = 1000;

/** What the next turn of an agent goes by where its call says nothing else. */
export type EffectiveSettings = {
  settings: AgentSettings;
  model: string;
  effort: NonNullable<AgentSettings['effort']>;
  /** What Codex finds now; undefined while the agent sleeps. */
  skills: { name: string; description: string; source: string; path: string }[] | undefined;
  /** Files that Codex read into the conversation; undefined while the agent sleeps. */
  instructionFiles: string[] | undefined;
};

type Services = {
  agents: Pick<AgentManager, 'linkOf'>;
  runtime: Pick<ContainerRuntime, 'layout'>;
  config: Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
};

/** Does not wake the agent. */
export async function effectiveSettings(
  { agents, runtime, config }: Services,
  { agentId, settings }: AgentRecord,
): Promise<EffectiveSettings> {
  const link = await agents.linkOf(agentId);
  return {
    settings,
    model: settings.model ?? config.CODEX_MODEL,
    effort: settings.effort ?? config.CODEX_REASONING,
    skills: link && (await skillsOf(link, runtime.layout(agentId).workspace)),
    instructionFiles: link?.threads.instructionSources
      ?.slice(0, FILES_LISTED)
      .map((file) => file.slice(0, TEXT_LENGTH)),
  };
}

async function skillsOf({ codex }: AgentLink, workspace: string) {
  // The agent may be paused before it answers.
  const timeout = sleep(SKILLS_TIMEOUT_MS, undefined, { ref: false });
  const found = await Promise.race([codex.listSkills(workspace), timeout]).catch(() => undefined);
  return found?.slice(0, SKILLS_LISTED).map(({ name, description, scope, path }) => ({
    name: name.slice(0, TEXT_LENGTH),
    description: description.slice(0, TEXT_LENGTH),
    source: scope.slice(0, TEXT_LENGTH),
    path: path.slice(0, TEXT_LENGTH),
  }));
}
