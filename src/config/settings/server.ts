import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { directory, flag, httpUrl, list, setting, wholeNumber } from '../setting.ts';

const PORT_MAX = 65_535;

export const serverSettings = {
  MCP_HOST: setting(z.string().min(1).default('127.0.0.1'), {
    group: 'Server',
    description: 'Address to listen on. On any address but loopback, callers need tokens.',
    allowed: 'an IP address or host name',
  }),
  MCP_PORT: setting(wholeNumber(0, PORT_MAX).default(8210), {
    group: 'Server',
    description: 'Port to listen on; 0 takes a free port.',
    allowed: 'a whole number from 0 to 65535',
  }),
  ALLOW_UNAUTHENTICATED: setting(flag().default(false), {
    group: 'Server',
    description:
      'Accept callers without a token on an address other than loopback, as long as there are no tokens and neither `JWT_SECRET` nor `OIDC_ISSUER` is set. Whoever reaches the port can use your model account.',
    allowed: 'true or false',
  }),
  PUBLIC_URL: setting(httpUrl().optional(), {
    group: 'Server',
    description:
      'URL at which clients reach the server behind a proxy. The OAuth metadata for clients names it.',
    allowed: 'an http or https URL',
    shownDefault: 'what the request says',
  }),
  ALLOWED_HOSTS: setting(list().default([]), {
    group: 'Server',
    description:
      'Host names that a `Host` header may carry, in addition to `localhost`, `127.0.0.1`, `[::1]` and `MCP_HOST`.',
    allowed: 'host names separated by commas',
  }),
  ALLOWED_ORIGINS: setting(list().default([]), {
    group: 'Server',
    description:
      'Host names whose pages may call the server from a browser, in addition to those of all ports of this machine. The entry `-loopback` takes the latter away.',
    allowed: 'host names separated by commas',
  }),
  DATA_DIR: setting(directory().default(path.join(os.homedir(), '.codex-mcp-server')), {
    group: 'Server',
    description:
      'Directory of the database, the audit and the snapshots and, in the process runtime, of the agents. Each running server needs its own.',
    allowed: 'a writable path',
    shownDefault: '~/.codex-mcp-server',
  }),
};
