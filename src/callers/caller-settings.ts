import { type AgentAdmissionOptions, admitAgent } from '../agents/agent-admission.ts';
import {
  type AgentSettings,
  changedSettings,
  type SettingsChange,
} from '../agents/threads/agent-settings.ts';
import type { McpServers } from '../agents/threads/mcp-servers.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Config } from '../config/config.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { CallerView } from './caller-view.ts';
import { invalidField } from './invalid-field.ts';

export type SettingsServices = {
  store: AgentAdmissionOptions['store'];
  runtime: Pick<ContainerRuntime, 'confines'>;
  mcpServers: McpServers;
  audit: Pick<AuditLog, 'append'>;
  config: AgentAdmissionOptions['config'] & Pick<Config, 'INSTRUCTIONS_MAX_BYTES'>;
};

export type NamedSettings = { agentName: AgentName; settings: AgentSettings };

/** The settings of one caller's agents. No setting widens what an agent may do outside its container. */
export class CallerSettings extends CallerView<SettingsServices> {
  /** Throws `agent_not_found` or `forbidden`. */
  get(name: AgentName): NamedSettings {
    const { agentId, settings } = this.recordOf(name, 'read');
    return this.named({ agentId, settings });
  }

  /**
   * The change holds from the next turn on. Creates an agent that does not exist. Throws
   * `invalid_input`, `agent_not_found`, `forbidden` and what `admitAgent` throws.
   */
  change(name: AgentName, change: SettingsChange): NamedSettings {
    this.demand('work');
    this.#check(change);
    const { store, ownerships, audit } = this.services;
    const agent = ownerships.findOrNew(this.principal, name);
    const { agentId } = agent;
    admitAgent(this.services, agent);
    const settings = changedSettings(agent.settings, change);
    if (store.agents.get(agentId)) store.agents.setSettings(agentId, settings);
    else store.agents.put({ ...agent, settings });
    const data = { changed: changedNames(change) };
    audit.append({ type: 'agent_configured', principal: this.principal, agentId, data });
    return this.named({ agentId, settings });
  }

  /**
   * The settings of an agent of another server without the MCP servers that agents cannot have here;
   * `leftOut` names those. Throws `invalid_input`.
   */
  fitting(given: AgentSettings): { settings: AgentSettings; leftOut: string[] } {
    const { runtime, mcpServers: list } = this.services;
    const { mcpServers = [], ...settings } = given;
    this.#check(settings);
    const fits = (name: string) => runtime.confines && list.has(name);
    const taken = mcpServers.filter(fits);
    const leftOut = mcpServers.filter((name) => !fits(name));
    return { settings: { ...settings, ...(taken.length > 0 && { mcpServers: taken }) }, leftOut };
  }

  #check({ instructions, baseInstructions, mcpServers }: SettingsChange): void {
    const { config, runtime, mcpServers: list } = this.services;
    const limit = config.INSTRUCTIONS_MAX_BYTES;
    const texts = { instructions, base_instructions: baseInstructions };
    for (const [field, text] of Object.entries(texts)) {
      const bytes = Buffer.byteLength(text ?? '');
      if (bytes > limit) {
        throw invalidField(
          field,
          `it has ${bytes} bytes, and INSTRUCTIONS_MAX_BYTES allows ${limit}`,
        );
      }
    }
    const unknown = mcpServers?.find((name) => !list.has(name));
    if (unknown !== undefined) {
      const known = list.names.join(', ') || 'none';
      throw invalidField(
        'mcp_servers',
        `this server has no MCP server "${unknown}", only: ${known}`,
      );
    }
    // MCP servers run outside Codex's own sandbox and read files that the agent may have written.
    if (mcpServers?.length && !runtime.confines) {
      throw invalidField('mcp_servers', 'only agents in containers have MCP servers');
    }
  }
}

/** The audit names the settings and keeps their values out. */
function changedNames(change: SettingsChange): Record<string, string> {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, value === null ? 'unset' : 'set']));
}
