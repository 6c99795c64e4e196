import { z } from 'zod';
import { DAY_SECONDS, flag, SECONDS_MAX, setting, wholeNumber } from '../setting.ts';

export const agentsSettings = {
  AGENT_RUNTIME: setting(z.enum(['auto', 'docker', 'process']).default('auto'), {
    group: 'Agents',
    description:
      'Where agents run. `auto` takes Docker if it answers at start or has agents already, else child processes of the server, with a warning.',
    allowed: 'auto, docker or process',
  }),
  MAX_CONCURRENT_SESSIONS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Agents',
    description:
      'Agents that run at the same time, paused ones included. When all are taken, the longest idle one is stopped, paused ones first; if all are busy or pinned, the call is refused.',
    allowed: 'a whole number from 1 to 10000',
  }),
  AGENT_MCP_SERVERS_FILE: setting(z.string().min(1).optional(), {
    group: 'Agents',
    description:
      'JSON file with the MCP servers that agents may be given by name. See [skills.md](skills.md#mcp-servers).',
    allowed: 'a file as docs/skills.md says',
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
      'Seconds before an idle agent is stopped, archived or removed that its clients are told. No agent is removed earlier after its warning than that, or than `RETENTION_TIMEOUT` if that is shorter. 0: no warnings.',
    allowed: 'a whole number from 0 to 86400',
  }),
  FORK_TIMEOUT: setting(wholeNumber(1, DAY_SECONDS).default(600), {
    group: 'Agents',
    description: 'Seconds for copying the files of an agent that is forked.',
    allowed: 'a whole number from 1 to 86400',
  }),
  ORPHAN_TIMEOUT: setting(wholeNumber(0, SECONDS_MAX).default(7 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after their creation until volumes of this installation are removed whose agent the database does not know. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  TURN_RETENTION: setting(wholeNumber(0, SECONDS_MAX).default(30 * DAY_SECONDS), {
    group: 'Agents',
    description:
      'Seconds after its end until a turn is forgotten with its result, its events and its `idempotency_key`. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  WARM_POOL_SIZE: setting(wholeNumber(0, 1000).default(0), {
    group: 'Agents',
    description:
      'Containers that are started and paused ahead of new agents, beyond `MAX_CONCURRENT_SESSIONS`. Each holds the memory of an idle agent.',
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
    description: 'When idle agents, and what was left behind, are looked for.',
    allowed: 'a cron expression of five or six fields',
  }),
  TOOL_DEFAULT_TIMEOUT: setting(wholeNumber(1, 86_400).default(600), {
    group: 'Agents',
    description: 'Seconds a call may take when it names no `timeout_seconds`.',
    allowed: 'a whole number from 1 to 86400',
  }),
};
