import fs from 'node:fs';
import path from 'node:path';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';

const TLS_PORT = '2376';

export type EngineAddress = Pick<Config, 'DOCKER_CERT_PATH' | 'DOCKER_HOST' | 'DOCKER_TLS_VERIFY'>;

/**
 * How docker-modem connects. All that matters is said here: what is absent it would take from the
 * environment, where the settings of a file are not.
 */
export function engineConnection(config: EngineAddress): Docker.DockerOptions {
  const { DOCKER_HOST: host } = config;
  if (host === undefined) return {};
  // It prefers its own idea of the host to a socket unless it is unset by name.
  if (host.startsWith('unix://')) return { socketPath: host.slice(7), host: undefined };
  const url = new URL(host.includes('://') ? host : `tcp://${host}`);
  const place = {
    host: url.hostname,
    ...(url.port && { port: url.port }),
    ...(url.username && { username: decodeURIComponent(url.username) }),
  };
  if (url.protocol === 'ssh:') return { ...place, protocol: 'ssh' };
  if (!isSecure(url, config)) return { ...place, protocol: 'http', ...NO_CERTIFICATES };
  return { ...place, protocol: 'https', ...certificates(config.DOCKER_CERT_PATH) };
}

/** As Docker's own client decides; what is secure is always verified. */
function isSecure(url: URL, { DOCKER_CERT_PATH, DOCKER_TLS_VERIFY }: EngineAddress): boolean {
  if (url.protocol === 'http:') return false;
  if (url.protocol === 'https:' || url.port === TLS_PORT) return true;
  return DOCKER_TLS_VERIFY || DOCKER_CERT_PATH !== undefined;
}

const NO_CERTIFICATES = { ca: undefined, cert: undefined, key: undefined };

/** Without a directory, the authorities of Node count and the client has no certificate. */
function certificates(
  directory: string | undefined,
): Pick<Docker.DockerOptions, 'ca' | 'cert' | 'key'> {
  if (directory === undefined) return NO_CERTIFICATES;
  const read = (name: string) => fs.readFileSync(path.join(directory, name), 'utf8');
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
