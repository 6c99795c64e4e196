import { bracketed, hostOf } from './host-name.ts';

/** The target of a connection. */
export type EgressTarget = {
  /** `connect`: bytes of any kind, mostly TLS; `http`: a request that can be read. */
  way: 'connect' | 'http';
  method: string;
  /** A name, or an address in its usual form; IPv6 without brackets. */
  host: string;
  port: number;
};

const AUTHORITY = /^(\[[^\]\s]+\]|[^\s/?#@\\:[\]]+):(\d{1,5})$/;

/** The target of CONNECT, such as `example.org:443`; undefined if invalid. */
export function connectTarget(authority: string): EgressTarget | undefined {
  const [, host, port] = AUTHORITY.exec(authority) ?? [];
  const url = host === undefined ? null : URL.parse(`http://${host}:${port}/`);
  return url ? targetOf(url, { way: 'connect', method: 'CONNECT' }) : undefined;
}

/** The target of a request in absolute form; undefined if it is not plain HTTP. */
export function httpTarget(method: string, address: string): EgressTarget | undefined {
  const url = URL.parse(address);
  return url?.protocol === 'http:' ? targetOf(url, { way: 'http', method }) : undefined;
}

function targetOf(url: URL, kind: Pick<EgressTarget, 'way' | 'method'>): EgressTarget | undefined {
  const host = hostOf(url);
  const port = url.port === '' ? 80 : Number(url.port);
  return host === undefined || port === 0 ? undefined : { ...kind, host, port };
}

/** Such as `example.org:443`. */
export function shownTarget({ host, port }: Pick<EgressTarget, 'host' | 'port'>): string {
  return `${bracketed(host)}:${port}`;
}
