import { z } from 'zod';
import { directory, flag, httpUrl, setting, wholeNumber } from '../setting.ts';

const PORT_MAX = 65_535;

export const credentialsSettings = {
  CODEX_AUTH_METHOD: setting(z.enum(['auto', 'api_key', 'oauth']).default('auto'), {
    group: 'Credentials',
    description:
      'Credentials of model requests: `api_key`, `oauth` (a ChatGPT login), or `auto`, which uses what exists. With `OPENAI_BASE_URL`, `auto` means `api_key`.',
    allowed: 'auto, api_key or oauth',
  }),
  CODEX_PREFER_OAUTH: setting(flag().default(true), {
    group: 'Credentials',
    description: 'Whether `auto` prefers a ChatGPT login to an API key.',
    allowed: 'true or false',
  }),
  OAUTH_TOKEN_STORAGE_PATH: setting(directory().optional(), {
    group: 'Credentials',
    description:
      'Path of the `auth.json` of the login, in the format of Codex. The server renews the login, so it needs write access to the directory. If set, no other path is tried.',
    allowed: 'a path',
    shownDefault: '~/.codex/auth.json',
  }),
  CODEX_AUTH_DIR: setting(directory().optional(), {
    group: 'Credentials',
    description: 'Directory of `auth.json`, if `OAUTH_TOKEN_STORAGE_PATH` is not set.',
    allowed: 'a path',
    shownDefault: '~/.codex',
  }),
  CHATGPT_OAUTH_TOKEN: setting(z.string().min(1).optional(), {
    group: 'Credentials',
    description:
      'Access token of a ChatGPT login, used if there is no `auth.json`. The server cannot renew it.',
    allowed: 'a non-empty string',
    secret: true,
  }),
  CHATGPT_BASE_URL: setting(httpUrl().default('https://chatgpt.com/backend-api/codex'), {
    group: 'Credentials',
    description: 'Base URL of model requests that a ChatGPT login pays for.',
    allowed: 'an http or https URL',
  }),
  OAUTH_ISSUER: setting(httpUrl().default('https://auth.openai.com'), {
    group: 'Credentials',
    description: 'Authorization server that makes and renews ChatGPT logins.',
    allowed: 'an https URL, or an http URL of this machine',
  }),
  OAUTH_CLIENT_ID: setting(z.string().min(1).max(200).default('codex-cli'), {
    group: 'Credentials',
    description:
      'OAuth client of logins. `codex-cli` means the registered id of the Codex CLI; a login of that client can be renewed with that id only.',
    allowed: 'codex-cli or the id of a client',
  }),
  OAUTH_CALLBACK_PORT: setting(wholeNumber(0, PORT_MAX).default(8765), {
    group: 'Credentials',
    description:
      'Port of this machine that the browser is redirected to at a login; 0 takes a free port. The Codex CLI uses 1455.',
    allowed: 'a whole number from 0 to 65535',
  }),
  OAUTH_CALLBACK_TIMEOUT: setting(wholeNumber(1, 3600).default(300), {
    group: 'Credentials',
    description: 'Seconds that a login waits for the user.',
    allowed: 'a whole number from 1 to 3600',
  }),
  OAUTH_AUTO_OPEN_BROWSER: setting(flag().default(true), {
    group: 'Credentials',
    description: 'Whether a login opens the browser.',
    allowed: 'true or false',
  }),
  CREDENTIALS_KEY: setting(z.string().min(32).max(1024).optional(), {
    group: 'Credentials',
    description:
      'Passphrase that seals the API keys which principals bring for themselves (`codex-hangar credentials`). Without it none can be stored or used.',
    allowed: 'from 32 to 1024 characters, such as those of `openssl rand -base64 32`',
    secret: true,
  }),
};
