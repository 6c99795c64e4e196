import type { IncomingHttpHeaders } from 'node:http';
import {
  localhostAllowedHostnames,
  validateHostHeader,
  validateOriginHeader,
} from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';

const READABLE_HEADERS =
  'Mcp-Session-Id, X-Correlation-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset';

/** Entry of `ALLOWED_ORIGINS` that takes away pages of other ports of this machine. */
const NO_LOOPBACK = '-loopback';

/**
 * Refuses requests that a browser was tricked into sending: a `Host` that is not ours (DNS
 * rebinding), an `Origin` that nobody allowed, or none from a page of another site, such as that of an
 * image. Pages of allowed origins get CORS answers.
 */
export function guardRequests(app: FastifyInstance, config: Config): void {
  const faultOf = requestGuard(config);
  app.addHook('onRequest', (request, reply, done) => {
    const fault = unclearHost(request) ?? faultOf(request.headers);
    if (fault) return done(fault);
    if (request.headers.origin) allowPage(request, reply, request.headers.origin);
    if (isPreflight(request)) return void reply.code(204).send();
    done();
  });
}

/** Returns why the headers of a request are refused; undefined if they are not. */
function requestGuard(
  config: Pick<Config, 'MCP_HOST' | 'ALLOWED_HOSTS' | 'ALLOWED_ORIGINS'>,
): (headers: IncomingHttpHeaders) => AppError | undefined {
  const loopback = localhostAllowedHostnames();
  const hosts = [...loopback, ...[config.MCP_HOST, ...config.ALLOWED_HOSTS].map(hostnameOf)];
  const named = config.ALLOWED_ORIGINS.filter((entry) => entry !== NO_LOOPBACK).map(hostnameOf);
  const origins = config.ALLOWED_ORIGINS.includes(NO_LOOPBACK) ? named : [...loopback, ...named];

  return (headers) => {
    const host = validateHostHeader(headers.host, hosts);
    if (!host.ok) return new AppError('host_not_allowed', host.message);
    if (headers.origin === undefined) return hiddenPage(headers);
    if (isOwnPage(headers)) return undefined;
    const origin = validateOriginHeader(headers.origin, origins);
    return origin.ok ? undefined : new AppError('origin_not_allowed', origin.message);
  };
}

/** Browsers leave the origin out of what a page embeds or links to. */
function hiddenPage(headers: IncomingHttpHeaders): AppError | undefined {
  const site = headers['sec-fetch-site'];
  if (site !== 'cross-site' && site !== 'same-site') return undefined;
  const message = `A page of another site asked for this (Sec-Fetch-Site: ${site}), without its Origin.`;
  return new AppError('origin_not_allowed', message);
}

function isOwnPage({ origin, host }: IncomingHttpHeaders): boolean {
  return URL.canParse(`${origin}`) && new URL(`${origin}`).host === host;
}

/** Proxies and servers may disagree on the host of such a request. */
function unclearHost({ raw, headers: { host } }: FastifyRequest): AppError | undefined {
  const names = raw.rawHeaders.filter((_, index) => index % 2 === 0);
  const isOne = names.filter((name) => name.toLowerCase() === 'host').length === 1;
  if (isOne && host !== undefined && !/[@/\\?#]/.test(host)) return;
  const message = 'A request has one Host header, with a name and perhaps a port.';
  return new AppError('invalid_input', message);
}

function allowPage(request: FastifyRequest, reply: FastifyReply, origin: string): void {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': READABLE_HEADERS,
    vary: 'Origin',
  });
  if (!isPreflight(request)) return;
  reply.headers({
    'access-control-allow-methods': 'GET, POST, PUT, DELETE',
    'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': '600',
  });
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/** The host name as `URL` writes it (lower case, IPv6 in brackets), of a name, an address, a host:port or a URL. */
function hostnameOf(entry: string): string {
  const address = /^[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*$/i.test(entry) ? `[${entry}]` : entry;
  try {
    return new URL(address.includes('://') ? address : `http://${address}`).hostname;
  } catch {
    return entry;
  }
}
