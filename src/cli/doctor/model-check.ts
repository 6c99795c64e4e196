import http from 'node:http';
import https from 'node:https';
import { pino } from 'pino';
import type { Config } from '../../config/config.ts';
import { reportError } from '../../errors.ts';
import { Credentials } from '../../gateway/credentials/credentials.ts';
import { type Check, ok, problem } from './check.ts';

const ANSWER_LIMIT_MS = 10_000;

/** Whether there is a key or a login. Only a paid request shows whether it is valid. */
export function checkCredentials(config: Config): Check {
  const credentials = new Credentials(config, pino({ level: 'silent' }));
  const { problem: wrong, report } = credentials;
  if (wrong) {
    const { message, hint } = reportError(wrong);
    return problem('Credentials', message, hint);
  }
  const { method, origin } = report;
  if (method === 'oauth') return ok('Credentials', `the ChatGPT login of ${origin} is used`);
  const provider = config.CODEX_PROVIDER;
  if (origin === null) return ok('Credentials', `none are set for ${provider}`);
  return ok('Credentials', `a key for ${provider} is set`);
}

/** Whether the model provider answers a request without a key. */
export async function checkModel(config: Config): Promise<Check> {
  const { origin, pathname } = new URL(new Credentials(config, pino({ level: 'silent' })).baseUrl);
  const url = `${origin}${pathname}`;
  try {
    const status = await statusOf(url);
    return ok('Model', `${url} answers (HTTP ${status} to a request without a key)`);
  } catch (error) {
    const { name, message, code } = error as NodeJS.ErrnoException;
    const reason = name === 'AbortError' ? 'it does not answer in time' : message || code;
    return problem(
      'Model',
      `${url} can't be reached: ${reason}.`,
      'Check OPENAI_BASE_URL and the network of this machine; behind a TLS-inspecting proxy set NODE_EXTRA_CA_CERTS.',
    );
  }
}

/** With node:http, as in the gateway. */
function statusOf(url: string): Promise<number | undefined> {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    request.on('error', reject);
    request.on('response', (response) => {
      response.destroy();
      resolve(response.statusCode);
    });
  });
}
