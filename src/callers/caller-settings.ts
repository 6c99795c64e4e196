import { type AgentAdmissionOptions, admitAgent } from '../agents/agent-admission.ts';
import {
  type AgentSettings,
  changedSettings,
  type SettingsChange,
} from '../agents/threads/agent-settings.ts';
import type { McpServers } from '../agents/threads/mcp-servers.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { demand } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { Ownerships } from './ownership.ts';

export type SettingsOptions = {
  store: AgentAdmissionOptions['store'];
  runtime: Pick<ContainerRuntime, 'confines'>;
  mcpServers: McpServers;
  audit: Pick<AuditLog, 'append'>;
  config: AgentAdmissionOptions['config'] & Pick<Config, 'INSTRUCTIONS_MAX_BYTES'>;
};

/** What an agent is told and may use, by its name and as it is set. */
export type NamedSettings = { agentId: string; settings: AgentSettings };

/** How the agents of one caller are set. What they may do beyond their container is not among it. */
export class CallerSettings {
  readonly #options: SettingsOptions & { ownerships: Ownerships };
  readonly #principal: Principal;

  constructor(options: SettingsOptions & { ownerships: Ownerships }, principal: Principal) {
    this.#options = options;
    this.#principal = principal;
  }

  /** Throws `agent_not_found` or `forbidden`. */
  get(name: string): NamedSettings {
    demand(this.#principal, 'read');
    const { agentId, settings } = this.#options.ownerships.find(this.#principal, name);
    return this.#named(agentId, settings);
  }

  /**
   * Holds from the next turn on. An agent that does not exist is begun. Throws `invalid_input`,
   * `agent_not_found`, `forbidden`, and what stands against a new agent.
   */
  change(name: string, change: SettingsChange): NamedSettings {
    demand(this.#principal, 'work');
    this.#check(change);
    const { store, ownerships, audit } = this.#options;
    const agent = ownerships.begin(this.#principal, name);
    const { agentId } = agent;
    admitAgent(this.#options, agent);
    const settings = changedSettings(agent.settings, change);
    if (store.agents.get(agentId)) store.agents.setSettings(agentId, settings);
    else store.agents.put({ ...agent, settings });
    const data = { changed: deeds(change) };
    audit.append({ type: 'agent_configured', principal: this.#principal, agentId, data });
    return this.#named(agentId, settings);
  }

  /**
   * Settings of an agent of another server, as far as they can hold here: MCP servers that are not on
   * the list of this one, or may not be used, are left out and told. Throws `invalid_input`.
   */
  fitting(given: AgentSettings): { settings: AgentSettings; leftOut: string[] } {
    const { runtime, mcpServers: list } = this.#options;
    const { mcpServers = [], ...settings } = given;
    this.#check(settings);
    const fits = (name: string) => runtime.confines && list.has(name);
    const taken = mcpServers.filter(fits);
    const leftOut = mcpServers.filter((name) => !fits(name));
    return { settings: { ...settings, ...(taken.length > 0 && { mcpServers: taken }) }, leftOut };
  }

  #named(agentId: string, settings: AgentSettings): NamedSettings {
    return { agentId: this.#options.ownerships.nameFor(this.#principal, agentId), settings };
  }

  #check({ instructions, baseInstructions, mcpServers }: SettingsChange): void {
    const { config, runtime, mcpServers: list } = this.#options;
    const limit = config.INSTRUCTIONS_MAX_BYTES;
    const texts = { instructions, base_instructions: baseInstructions };
    for (const [field, text] of Object.entries(texts)) {
      const bytes = Buffer.byteLength(text ?? '');
      if (bytes > limit) {
        throw wrong(field, `it has ${bytes} bytes; INSTRUCTIONS_MAX_BYTES allows ${limit}`);
      }
    }
    const unknown = mcpServers?.find((name) => !list.has(name));
    if (unknown !== undefined) {
      const known = list.names.join(', ') || 'none';
      throw wrong('mcp_servers', `there is no "${unknown}"; the list of this server has: ${known}`);
    }
    // Their programs run beside Codex's own sandbox, with what an agent may have put into its files.
    if (mcpServers?.length && !runtime.confines) {
      throw wrong('mcp_servers', 'only agents in containers have MCP servers');
    }
  }
}

/** What was said stays out of the audit: only what it was about, and whether it was taken away. */
function deeds(change: SettingsChange): Record<string, string> {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, value === null ? 'unset' : 'set']));
}

function wrong(field: string, problem: string): AppError {
  return new AppError('invalid_input', `${field}: ${problem}.`, {
    data: { issues: [{ field, problem }] },
  });
}
