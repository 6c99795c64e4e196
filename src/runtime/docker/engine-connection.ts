import fs from 'node:fs';
import path from 'node:path';
import type Docker from 'dockerode';
import type { Config } from '../../config/settings.ts';

const TLS_PORT = '2376';

export type EngineAddress = Pick<Config, 'DOCKER_CERT_PATH' | 'DOCKER_HOST' | 'DOCKER_TLS_VERIFY'>;

/** Options of docker-modem. All are explicit, since it reads absent ones from the process environment. */
export function engineConnection(config: EngineAddress): Docker.DockerOptions {
  const { DOCKER_HOST: host } = config;
  if (host === undefined) return {};
  // Without an explicit `host`, its default host would take precedence over the socket.
  if (host.startsWith('unix://')) return { socketPath: host.slice(7), host: undefined };
  const url = new URL(host.includes('://') ? host : `tcp://${host}`);
  const address = {
    host: url.hostname,
    ...(url.port && { port: url.port }),
    ...(url.username && { username: decodeURIComponent(url.username) }),
  };
  if (url.protocol === 'ssh:') return { ...address, protocol: 'ssh' };
  if (!isSecure(url, config)) return { ...address, protocol: 'http', ...NO_CERTIFICATES };
  return { ...address, protocol: 'https', ...certificates(config.DOCKER_CERT_PATH) };
}

/** Decides like the Docker CLI, except that TLS certificates are always verified. */
function isSecure(url: URL, { DOCKER_CERT_PATH, DOCKER_TLS_VERIFY }: EngineAddress): boolean {
  if (url.protocol === 'http:') return false;
  if (url.protocol === 'https:' || url.port === TLS_PORT) return true;
  return DOCKER_TLS_VERIFY || DOCKER_CERT_PATH !== undefined;
}

const NO_CERTIFICATES = { ca: undefined, cert: undefined, key: undefined };

/** Without a directory, Node's authorities apply and the client has no certificate. */
function certificates(
  directory: string | undefined,
): Pick<Docker.DockerOptions, 'ca' | 'cert' | 'key'> {
  if (directory === undefined) return NO_CERTIFICATES;
  const read = (name: string) => fs.readFileSync(path.join(directory, name), 'utf8');
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
