import { MEBIBYTE, SECONDS_MAX, setting, size, wholeNumber } from '../setting.ts';

export const limitsSettings = {
  MAX_PROMPT_BYTES: setting(wholeNumber(1, 64 * MEBIBYTE).default(MEBIBYTE), {
    group: 'Limits',
    description: 'Size of all inputs of one call together, in bytes.',
    allowed: 'a number of bytes from 1 to 67108864',
  }),
  INSTRUCTIONS_MAX_BYTES: setting(wholeNumber(1, MEBIBYTE).default(64 * 1024), {
    group: 'Limits',
    description: 'Size of the instructions of an agent, and of its base instructions.',
    allowed: 'a number of bytes from 1 to 1048576',
  }),
  MAX_BODY_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(4 * MEBIBYTE), {
    group: 'Limits',
    description: 'Size of a request body.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),
  RATE_LIMIT_RPM: setting(wholeNumber(0, 1_000_000).default(60), {
    group: 'Limits',
    description: 'Calls per minute that start work of one agent; 0 for no limit.',
    allowed: 'a whole number from 0 to 1000000',
  }),
  REQUEST_LIMIT_RPM: setting(wholeNumber(0, 1_000_000).default(3000), {
    group: 'Limits',
    description: 'Requests of any kind that one caller may send per minute; 0 for no limit.',
    allowed: 'a whole number from 0 to 1000000',
  }),
  MAX_AGENTS_PER_PRINCIPAL: setting(wholeNumber(1, 1_000_000).default(1000), {
    group: 'Limits',
    description: 'Agents that one caller may have, sleeping ones included.',
    allowed: 'a whole number from 1 to 1000000',
  }),
  MAX_TURNS_PER_PRINCIPAL: setting(wholeNumber(1, 100_000).default(200), {
    group: 'Limits',
    description: 'Turns of one caller that run or wait at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_QUEUED_TURNS: setting(wholeNumber(1, 10_000).default(16), {
    group: 'Limits',
    description: 'Calls that may wait for one agent while it works.',
    allowed: 'a whole number from 1 to 10000',
  }),
  MAX_QUEUED_TURNS_TOTAL: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'Calls that may wait for all agents together.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_AGENTS: setting(wholeNumber(1, 1_000_000).default(10_000), {
    group: 'Limits',
    description:
      'Agents that the server may have, sleeping ones included. Each keeps files until it is removed, which `RETENTION_TIMEOUT` can do.',
    allowed: 'a whole number from 1 to 1000000',
  }),
  MAX_CONCURRENT_CALLS: setting(wholeNumber(1, 100_000).default(512), {
    group: 'Limits',
    description: 'Tool calls that are open at the same time, waiting ones included.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_EVENT_READERS: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'Event streams of turns and agents that may be open at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_CONNECTIONS: setting(wholeNumber(1, 100_000).default(2048), {
    group: 'Limits',
    description: 'Connections to the server; more are closed at once.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MAX_MCP_SESSIONS: setting(wholeNumber(1, 100_000).default(256), {
    group: 'Limits',
    description: 'MCP clients that may be connected at the same time.',
    allowed: 'a whole number from 1 to 100000',
  }),
  MCP_SESSION_IDLE: setting(wholeNumber(1, 604_800).default(3600), {
    group: 'Limits',
    description: 'Seconds after which an idle MCP session of Streamable HTTP is closed.',
    allowed: 'a whole number from 1 to 604800',
  }),
  CHECK_MAX_ROUNDS: setting(wholeNumber(1, 10).default(3), {
    group: 'Limits',
    description:
      'Rounds of a call with a `check_command` but no `max_rounds`. In a round Codex works, and then the check runs.',
    allowed: 'a whole number from 1 to 10',
  }),
  CHECK_TIMEOUT: setting(wholeNumber(1, 86_400).default(300), {
    group: 'Limits',
    description: 'Seconds that one run of a check may take, if the call sets no time-out.',
    allowed: 'a whole number from 1 to 86400',
  }),
  CHECK_OUTPUT_BYTES: setting(wholeNumber(1024, 256 * 1024).default(16 * 1024), {
    group: 'Limits',
    description: 'Size of the output of a check in a result; a longer output keeps its end.',
    allowed: 'a number of bytes from 1024 to 262144',
  }),
  COMMIT_FILE_LIMIT: setting(size().default(50 * MEBIBYTE), {
    group: 'Limits',
    description:
      'Size of a file in the commit of a turn; a larger file stays as in the commit before.',
    allowed: 'a size such as 50m or 1g',
  }),
  GIT_MAX_OPERATIONS: setting(wholeNumber(1, 10_000).default(16), {
    group: 'Limits',
    description: 'Clones, fetches and pushes of workspaces that run at the same time.',
    allowed: 'a whole number from 1 to 10000',
  }),
  GIT_MAX_PUSH_BYTES: setting(
    wholeNumber(MEBIBYTE, 1024 * 1024 * MEBIBYTE).default(2048 * MEBIBYTE),
    {
      group: 'Limits',
      description: 'Size of one push.',
      allowed: 'a number of bytes from 1048576 to 1099511627776',
    },
  ),
  GIT_IDLE_TIMEOUT: setting(wholeNumber(1, 86_400).default(120), {
    group: 'Limits',
    description: 'Seconds without a byte after which a clone, fetch or push is ended.',
    allowed: 'a whole number from 1 to 86400',
  }),
  GIT_TIMEOUT: setting(wholeNumber(1, 86_400).default(3600), {
    group: 'Limits',
    description: 'Seconds after which a clone, fetch or push is ended.',
    allowed: 'a whole number from 1 to 86400',
  }),
  TRANSFER_MAX_BYTES: setting(size().default(4096 * MEBIBYTE), {
    group: 'Limits',
    description:
      'Size of an uploaded or downloaded archive, unpacked, and of a repository that is cloned into a workspace.',
    allowed: 'a size such as 512m or 10g',
  }),
  TRANSFER_MAX_ENTRIES: setting(wholeNumber(1, 10_000_000).default(500_000), {
    group: 'Limits',
    description: 'Files, directories and links in such an archive or repository.',
    allowed: 'a whole number from 1 to 10000000',
  }),
  TRANSFER_IDLE_TIMEOUT: setting(wholeNumber(1, 86_400).default(60), {
    group: 'Limits',
    description: 'Seconds without a byte after which an upload or a download is ended.',
    allowed: 'a whole number from 1 to 86400',
  }),
  TRANSFER_TIMEOUT: setting(wholeNumber(1, 86_400).default(3600), {
    group: 'Limits',
    description: 'Seconds after which an upload, a download, a snapshot or a restore is ended.',
    allowed: 'a whole number from 1 to 86400',
  }),
  SNAPSHOTS_PER_AGENT: setting(wholeNumber(1, 10_000).default(10), {
    group: 'Limits',
    description: 'Snapshots that are kept of one agent; a new one replaces the oldest.',
    allowed: 'a whole number from 1 to 10000',
  }),
  SNAPSHOT_BYTES_PER_PRINCIPAL: setting(size().default(20 * 1024 * MEBIBYTE), {
    group: 'Limits',
    description: 'Size of all snapshots of one caller together, as packed. 0: no limit.',
    allowed: 'a size such as 512m or 10g',
  }),
  SNAPSHOT_MAX_BYTES: setting(size().default(4096 * MEBIBYTE), {
    group: 'Limits',
    description: 'Size of a snapshot that is made or restored, unpacked.',
    allowed: 'a size such as 512m or 10g',
  }),
  SNAPSHOT_RETENTION: setting(wholeNumber(0, SECONDS_MAX).default(0), {
    group: 'Limits',
    description: 'Seconds after which a snapshot is removed. 0: never.',
    allowed: 'a whole number from 0 to 31536000',
  }),
  SNAPSHOT_DISK_RESERVE: setting(size().default(1024 * MEBIBYTE), {
    group: 'Limits',
    description: 'Space that snapshots leave free on the disk of `DATA_DIR`.',
    allowed: 'a size such as 512m or 10g',
  }),
  MAX_DIFF_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(256 * 1024), {
    group: 'Limits',
    description: 'Size of the diff of one file in a result; a longer diff is cut, with a note.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),
  MAX_DIFF_TOTAL_BYTES: setting(wholeNumber(1024, 64 * MEBIBYTE).default(4 * MEBIBYTE), {
    group: 'Limits',
    description:
      'Size of the diffs of all files in a result; a diff that does not fit is left out, with a note.',
    allowed: 'a number of bytes from 1024 to 67108864',
  }),
};
