import { z } from 'zod';
import { QUERY } from './annotations.ts';
import { noInput } from './arguments.ts';
import { defineTool } from './tool.ts';

export const healthReport = z.object({
  ready: z.boolean().describe('Whether the server can serve a call now.'),
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  problems: z.array(z.string()).describe('Each says what is wrong and what to do.'),
  version: z.string(),
  uptime_seconds: z.number().int(),
  timestamp: z.iso.datetime(),
  active_sessions: z.number().int().describe('Agents whose container is running or paused.'),
  busy_sessions: z.number().int(),
  known_agents: z.number().int(),
  max_sessions: z.number().int(),
  runtime: z.object({
    kind: z.enum(['docker', 'process']),
    isolation: z.enum(['container', 'codex-sandbox']).describe('What confines an agent.'),
    engine: z.string().nullable(),
    image: z.string().nullable(),
    state: z.enum(['pending', 'preparing', 'ready', 'failed']),
  }),
  credentials: z.object({
    provider: z.string(),
    method: z
      .enum(['api_key', 'oauth', 'none'])
      .describe('How model requests are paid. oauth: a ChatGPT login.'),
    origin: z.string().nullable().describe('Where the credential was found.'),
    present: z.boolean(),
    ready: z.boolean().describe('Whether the credential works. A login may have been revoked.'),
    expires_at: z.iso.datetime().nullable().describe('When the credential has to be renewed.'),
  }),
  audit: z
    .object({
      waiting: z.number().int().describe('Records that still have to be written.'),
      lost: z
        .number()
        .int()
        .describe('Records that could not be written since the server started.'),
    })
    .describe('The audit log of calls and turns.'),
  model: z.object({ name: z.string(), reasoning: z.string() }),
  memory_bytes: z.number().int().describe('Memory of the server itself.'),
});

export type HealthReport = z.output<typeof healthReport>;

/** Returns the same as `GET /health`. */
export const healthTool = (health: () => Promise<HealthReport>) =>
  defineTool({
    name: 'health_check',
    title: 'Check the server',
    description:
      'Checks whether the server can serve calls now, and says what to do if not; use it when calls fail and their errors do not say why.',
    annotations: QUERY,
    servedWhenFull: true,
    input: noInput,
    output: healthReport,
    run: () => health(),
  });
