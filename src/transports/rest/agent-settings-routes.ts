import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { changeOf, settingsData, settingsInput } from '../../agents/threads/agent-settings-data.ts';
import type { CallerSettings, NamedSettings } from '../../callers/caller-settings.ts';
import { checkedInput } from '../../checked-input.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';

export type SettingsView = Pick<CallerSettings, 'get' | 'change'>;

type AgentParams = { Params: { id: AgentName } };

const body = z.strictObject(settingsInput);

/** Settings of agents, for clients without MCP. */
export function agentSettingsRoutes(
  app: FastifyInstance,
  settingsOf: (principal: Principal) => SettingsView,
): void {
  const url = '/api/v1/agents/:id/settings';
  app.get<AgentParams>(url, ({ params, principal }) =>
    describe(settingsOf(principal).get(params.id)),
  );
  app.patch<AgentParams>(url, ({ params, principal, body: given }) =>
    describe(
      settingsOf(principal).change(params.id, changeOf(checkedInput(body, given, 'The body'))),
    ),
  );
}

function describe({ agentName, settings }: NamedSettings) {
  return { agent_id: agentName, ...settingsData(settings) };
}
