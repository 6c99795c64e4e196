import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Tokens } from '../auth-file.ts';
import { loginFailed } from './browser-login.ts';
import { type AuthorityConfig, authorityOf, exchangeCode } from './code-exchange.ts';

const ANSWER_LIMIT_MS = 15_000;
/** The user has not agreed yet. */
const PENDING = new Set([403, 404]);

const deviceSchema = z.object({
  device_auth_id: z.string(),
  user_code: z.string(),
  interval: z.coerce.number().min(1).max(60).default(5).catch(5),
});
const grantSchema = z.object({ authorization_code: z.string(), code_verifier: z.string() });

type Device = z.output<typeof deviceSchema>;

export type DeviceLoginOptions = {
  config: AuthorityConfig;
  /** Shows the user the URL and the code to enter there. */
  show: (url: string, code: string) => void;
  /** Ends the wait for the user. */
  signal: AbortSignal;
};

/**
 * Logs in by a browser on any machine. The flow is that of Codex, not RFC 8628: polling returns a code
 * with its verifier. Throws `login_failed`, and the reason of the signal.
 */
export async function loginByDevice({ config, show, signal }: DeviceLoginOptions): Promise<Tokens> {
  const base = `${config.OAUTH_ISSUER}/api/accounts/deviceauth`;
  const { server, client } = authorityOf(config);
  const begun = await post(`${base}/usercode`, client, signal);
  if (begun.status === 404) {
    throw new AppError('login_failed', 'This authorization server has no login by device code.');
  }
  const device = deviceSchema.safeParse(begun.body).data;
  if (!device) throw loginFailed({ message: `it answered ${begun.status}` });
  show(`${config.OAUTH_ISSUER}/codex/device`, device.user_code);
  const grant = await poll(`${base}/token`, device, signal);
  const code = new URLSearchParams({ code: grant.authorization_code });
  try {
    const parameters = oauth.validateAuthResponse(server, client, code, oauth.expectNoState);
    const redirectUri = `${config.OAUTH_ISSUER}/deviceauth/callback`;
    return await exchangeCode(config, { parameters, redirectUri, verifier: grant.code_verifier });
  } catch (error) {
    throw loginFailed(error);
  }
}

async function poll(url: string, device: Device, signal: AbortSignal) {
  const { interval, ...fields } = device;
  for (;;) {
    await sleep(interval * 1000, undefined, { signal }).catch(() => signal.throwIfAborted());
    const { status, body } = await post(url, fields, signal);
    const grant = grantSchema.safeParse(body).data;
    if (grant) return grant;
    if (!PENDING.has(status)) throw loginFailed({ message: `it answered ${status}` });
  }
}

async function post(url: string, fields: Record<string, string>, signal: AbortSignal) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(fields),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]),
    });
    const body: unknown = await response.json().catch(() => undefined);
    return { status: response.status, body };
  } catch (error) {
    signal.throwIfAborted();
    const { message, cause } = error as Error & { cause?: Error };
    throw loginFailed({ message: cause?.message || message });
  }
}
