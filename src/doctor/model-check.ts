import http from 'node:http';
import https from 'node:https';
import type { Config } from '../config/config.ts';
import { ApiKeyUpstream } from '../credentials/api-key-upstream.ts';
import { type Check, ok, problem } from './check.ts';

const ANSWER_LIMIT_MS = 10_000;

type ModelConfig = Pick<Config, 'OPENAI_API_KEY' | 'OPENAI_BASE_URL' | 'CODEX_PROVIDER'>;

/** Whether there is a key; not whether it is right, which only a paid request shows. */
export function checkCredentials(config: ModelConfig): Check {
  const provider = config.CODEX_PROVIDER;
  if (config.OPENAI_API_KEY !== undefined) return ok('Credentials', `a key for ${provider} is set`);
  if (new ApiKeyUpstream(config).ready) return ok('Credentials', `none are set for ${provider}`);
  return problem('Credentials', `There is no key for ${provider}.`, 'Set OPENAI_API_KEY.');
}

/** Whether the model provider answers at all. It is sent neither a key nor a question. */
export async function checkModel(config: ModelConfig): Promise<Check> {
  const { origin, pathname } = new URL(new ApiKeyUpstream(config).baseUrl);
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

/** By the way that the gateway takes. */
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
