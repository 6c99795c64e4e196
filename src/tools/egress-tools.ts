import { z } from 'zod';
import type { ConnectionView, EgressRuleView } from '../callers/caller-egress.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { QUERY, UPDATE } from './annotations.ts';
import { agentName, limit } from './arguments.ts';
import { defineTool } from './tool.ts';

const CONNECTIONS_LISTED = 100;
const MOST_CONNECTIONS = 1000;
const PORT_MAX = 65_535;

const rule = z.object({
  rule: z.string(),
  effect: z.enum(['allow', 'deny']),
  decided_by: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable().describe('Null: the rule does not expire.'),
});

const connection = z.object({
  started_at: z.iso.datetime(),
  duration_ms: z.number().int(),
  method: z.string().describe('CONNECT, or the method of a plain HTTP request.'),
  host: z.string(),
  port: z.number().int(),
  address: z.string().nullable().describe('The IP address that was connected to.'),
  bytes_up: z.number().int(),
  bytes_down: z.number().int(),
  verdict: z.enum(['allowed', 'denied', 'failed']),
  reason: z.string().nullable().describe('Why the connection was denied, failed or was cut.'),
  open: z.boolean(),
});

const listInput = z.strictObject({
  agent_id: agentName,
  limit: limit(MOST_CONNECTIONS, CONNECTIONS_LISTED),
});
const listOutput = z.object({
  agent_id: z.string(),
  rules: z.array(rule).describe('The rules of this agent.'),
  rules_for_all: z.array(z.string()).describe('The rules of every agent, from EGRESS_ALLOW.'),
  connections: z
    .array(connection)
    .describe('Open connections first, then ended ones, each the newest first.'),
});

export const listEgressTool = (views: CallerViews) =>
  defineTool({
    name: 'list_egress',
    title: 'List network access',
    description:
      'Lists the last network connections of an agent and the rules that allow or deny them; use it to find out why a download failed. Requests to the model are not listed.',
    annotations: QUERY,
    input: listInput,
    output: listOutput,
    async run({ agent_id, limit }, { principal }) {
      const found = views.egress(principal).list(agent_id, limit);
      return {
        agent_id: found.agent,
        rules: found.rules.map(describeRule),
        rules_for_all: found.rulesForAll,
        connections: found.connections.map(describeConnection),
      };
    },
  });

const destination = {
  agent_id: agentName,
  host: z
    .string()
    .min(1)
    .max(300)
    .describe(
      'A host name, *.example.org for all subdomains, or a preset such as npm. With a method, as in `GET http://example.org`, the rule covers only such requests of plain HTTP.',
    ),
  port: z.number().int().min(1).max(PORT_MAX).optional().describe('Default: 443 and 80.'),
};
const allowInput = z.strictObject({
  ...destination,
  duration: z
    .enum(['once', 'always'])
    .default('once')
    .describe('once: ten minutes, for any number of connections. always: until deny_egress.'),
});
const ruleOutput = rule.extend({ agent_id: z.string() });

export const allowEgressTool = (views: CallerViews) =>
  defineTool({
    name: 'allow_egress',
    title: 'Allow network access',
    description:
      'Allows an agent to connect to a host; use it when list_egress shows a denied connection that the work requires. The agent can send everything it knows to that host. Requires the role approver, and nobody but an administrator decides about their own agents.',
    annotations: { ...UPDATE, destructiveHint: true, openWorldHint: true },
    input: allowInput,
    output: ruleOutput,
    async run({ agent_id, duration, ...where }, { principal }) {
      const { agent, ...made } = views.egress(principal).allow(agent_id, where, duration);
      return { agent_id: agent, ...describeRule(made) };
    },
  });

const denyInput = z.strictObject({
  ...destination,
  forget: z
    .boolean()
    .default(false)
    .describe('true: removes the rule of this agent for the host, so that EGRESS_ALLOW decides.'),
});
const denyOutput = z.object({
  agent_id: z.string(),
  rules: z.array(rule).describe('The rules of this agent after the call.'),
});

export const denyEgressTool = (views: CallerViews) =>
  defineTool({
    name: 'deny_egress',
    title: 'Deny network access',
    description:
      'Denies an agent a host and cuts its open connections to it; use it to take back allow_egress or to close a host that EGRESS_ALLOW opens to all agents. A rule that denies wins over every rule that allows.',
    annotations: { ...UPDATE, destructiveHint: true },
    input: denyInput,
    output: denyOutput,
    async run({ agent_id, forget, ...where }, { principal }) {
      const egress = views.egress(principal);
      const { agent, rules } = forget
        ? egress.forget(agent_id, where)
        : egress.deny(agent_id, where);
      return { agent_id: agent, rules: rules.map(describeRule) };
    },
  });

function describeRule({ rule, effect, decidedBy, createdAt, expiresAt }: EgressRuleView) {
  return {
    ...{ rule, effect, decided_by: decidedBy },
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
  };
}

function describeConnection({ method, host, port, verdict, open, ...one }: ConnectionView) {
  return {
    started_at: one.startedAt.toISOString(),
    ...{ duration_ms: one.durationMs, method, host, port, address: one.address ?? null },
    ...{ bytes_up: one.bytesUp, bytes_down: one.bytesDown },
    ...{ verdict, reason: one.reason ?? null, open },
  };
}
