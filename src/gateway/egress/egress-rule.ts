import { METHODS } from 'node:http';
import { AppError } from '../../errors.ts';
import type { EgressTarget } from './egress-target.ts';
import { bracketed, normalHost } from './host-name.ts';
import { EGRESS_PRESETS } from './presets.ts';

/** A pattern of targets. */
export type EgressRule = {
  /** The shortest form of the rule, or the name of its preset. */
  text: string;
  /** A name or address, `*.` before a name for everything below it, or `*` for any. */
  host: string;
  ports: readonly number[];
  /** Undefined: both. */
  way?: EgressTarget['way'];
  /** Of plain HTTP; undefined: any. */
  methods?: readonly string[];
};

const FORM = /^(?:([A-Za-z|]+) +)?(?:(https?):\/\/)?([^/]+?)(?::(\d+))?\/?$/;
const PORT_OF = { http: 80, https: 443 } as const;
const BOTH_PORTS = [443, 80];
const PORT_MAX = 65_535;

/**
 * Reads one rule: `npm`, `example.org`, `*.example.org:8443`, `https://example.org` or
 * `GET|HEAD http://example.org`. A preset is several. Throws `invalid_input`, naming the rule.
 */
export function parseEgressRule(text: string): EgressRule[] {
  const preset = EGRESS_PRESETS[text.toLowerCase()];
  if (preset) {
    const name = text.toLowerCase();
    return preset.flatMap(parseEgressRule).map((rule) => ({ ...rule, text: name }));
  }
  const [, methodText, scheme, hostText = '', portText] = FORM.exec(text.trim()) ?? [];
  const methods = methodText?.toUpperCase().split('|');
  const host = hostPattern(hostText);
  if (host === undefined) throw bad(text, 'it names no host');
  const port = portText === undefined ? undefined : Number(portText);
  const objection = objectionTo({ host, scheme, port, methods });
  if (objection) throw bad(text, objection);
  const way = scheme === 'https' ? 'connect' : scheme || methods ? 'http' : undefined;
  return [ruleOf({ host, way, port, methods })];
}

type Written = {
  host: string;
  scheme: string | undefined;
  port: number | undefined;
  methods: readonly string[] | undefined;
};

function objectionTo({ host, scheme, port, methods = [] }: Written): string | undefined {
  const unknown = methods.find((one) => one === 'CONNECT' || !METHODS.includes(one));
  if (unknown !== undefined) return `"${unknown}" is not a method of plain HTTP`;
  if (methods.length > 0 && scheme === 'https') return 'the gateway cannot see methods of https';
  if (port !== undefined && (port < 1 || port > PORT_MAX))
    return 'a port is a number from 1 to 65535';
  // Probably a misspelt preset.
  const isWord = host !== '*' && !/[.:]/.test(host) && scheme === undefined && port === undefined;
  return isWord ? 'it is neither a preset nor a name with a dot' : undefined;
}

type Parts = {
  host: string;
  way: EgressTarget['way'] | undefined;
  port: number | undefined;
  methods: readonly string[] | undefined;
};

function ruleOf({ host, way, port, methods }: Parts): EgressRule {
  const scheme = way && (way === 'connect' ? 'https' : 'http');
  const usual = scheme && PORT_OF[scheme];
  const shownPort = port === undefined || port === usual ? '' : `:${port}`;
  const shownMethods = methods ? `${methods.join('|')} ` : '';
  return {
    text: `${shownMethods}${scheme ? `${scheme}://` : ''}${bracketed(host)}${shownPort}`,
    host,
    ports: port === undefined ? (usual ? [usual] : BOTH_PORTS) : [port],
    ...(way && { way }),
    ...(methods && { methods }),
  };
}

export function ruleMatches(rule: EgressRule, target: EgressTarget): boolean {
  if (!rule.ports.includes(target.port) || !hostMatches(rule.host, target.host)) return false;
  if (rule.way !== undefined && rule.way !== target.way) return false;
  return rule.methods === undefined || rule.methods.includes(target.method);
}

function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1));
}

function hostPattern(text: string): string | undefined {
  if (text === '*') return text;
  const wild = text.startsWith('*.');
  const host = normalHost(wild ? text.slice(2) : text);
  // A star is valid before a name only.
  if (host === undefined || host.includes('*')) return undefined;
  if (!wild) return host;
  return /^[\d.]+$|:/.test(host) ? undefined : `*.${host}`;
}

function bad(rule: string, reason: string): AppError {
  return new AppError(
    'invalid_input',
    `The rule "${rule}" can't be used: ${reason}. Allowed: a host such as example.org, *.example.org, example.org:8443, https://example.org or GET http://example.org; ${Object.keys(EGRESS_PRESETS).join(', ')}; * for any host.`,
  );
}
