import { z } from 'zod';
import { DAY_SECONDS, flag, SECONDS_MAX, setting, wholeNumber } from '../setting.ts';

export const agentsSettings = {
  AGENT_RUNTIME: setting(z.enum(['auto', 'docker', 'process']).default('auto'), {
    group: 'Agents',
    description:
      'Where agents run. `auto` uses Docker if it answers at the start or has agents already; otherwise child processes of the server, with a warning.',
    allowed: 'auto, docker or process',
  }),
  MAX_CONCURRENT_SESSIONS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Agents',
    description:
      'Agents that run at the same time, paused ones included. At the limit the server stops the agent that is idle longest, paused ones first; if all are busy or pinned, it refuses the call.',
    allowed: 'a whole number from 1 to 10000',
  }),
  AGENT_MCP_SERVERS_FILE: setting(z.string().min(1).optional(), {
    group: 'Agents',
    description:
      'JSON file of the MCP servers that callers may give to agents by name. See [skills.md](skills.md#mcp-servers).',
    allowed: 'a file in the format of docs/skills.md',
  }),
  PAUSE_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(300), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is paused: it keeps its memory but no CPU, and wakes at once. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  SESSION_TIMEOUT: setting(wholeNumber(1, SECONDS_MAX).default(3600), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is stopped. Its files and conversation stay; the next call wakes it.',
    allowed: 'a whole number from 1 to 31536000',
  }),
  ARCHIVE_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(7 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds without a turn after which the container of an agent is removed. Its files and conversation stay; the next call wakes it. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  RETENTION_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(0), {
    group: 'Agents',
    description:
      'Seconds without a turn after which an agent is removed with its files and its conversation. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  EXPIRY_WARNING: setting(wholeNumber(0, DAY_SECONDS).default(60), {
    group: 'Agents',
    description:
      'Seconds between the warning to clients and the moment that an idle agent is stopped, archived or removed. A removal waits at least that long after its warning, or `RETENTION_TIMEOUT` if that is shorter. 0: no warnings.',
    allowed: 'a whole number from 0 to 86400',
  }),
  FORK_TIMEOUT: setting(wholeNumber(1, DAY_SECONDS).default(600), {
    group: 'Agents',
    description: 'Seconds that copying the files of an agent for a fork may take.',
    allowed: 'a whole number from 1 to 86400',
  }),
  ORPHAN_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(7 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after which volumes of this installation are removed if the database has no such agent. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  TURN_RETENTION: setting(wholeNumber(0, SECONDS_MAX).default(30 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after its end that a turn is deleted, with its result, its events and its `idempotency_key`. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  WARM_POOL_SIZE: setting(wholeNumber(0, 1000).default(0), {
    group: 'Agents',
    description:
      'Containers that the server starts and pauses before new agents need them, in addition to `MAX_CONCURRENT_SESSIONS`. Each uses the memory of an idle agent.',
    allowed: 'a whole number from 0 to 1000',
  }),
  PERSISTENT_MODE: setting(flag().default(true), {
    group: 'Agents',
    description:
      'Leave idle agents running when the server stops. `false` stops them; files and conversations stay either way.',
    allowed: 'true or false',
  }),
  REAPER_SCHEDULE: setting(z.string().min(1).default('* * * * *'), {
    group: 'Agents',
    description: 'Schedule of the reaper, which stops idle agents and removes what no agent owns.',
    allowed: 'a cron expression of five or six fields',
  }),
  TOOL_DEFAULT_TIMEOUT: setting(wholeNumber(1, 86_400).default(600), {
    group: 'Agents',
    description: 'Seconds a call may take when it names no `timeout_seconds`.',
    allowed: 'a whole number from 1 to 86400',
  }),
};
