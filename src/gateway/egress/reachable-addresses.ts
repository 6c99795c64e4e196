import net from 'node:net';
import os from 'node:os';
import ipaddr from 'ipaddr.js';
import { AppError } from '../../errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

/** Private ranges that a setting may open. */
const OPENABLE = ranges(
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ...['100.64.0.0/10', '198.18.0.0/15', 'fc00::/7'],
);
/** Metadata services of clouds outside the link-local range. */
const METADATA = ranges(
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'],
  ...['fd00:ec2::/32', 'fd20:ce::/32'],
);
const GLOBAL_IPV6 = ranges('2000::/3');

/** The addresses that agents may reach: public ones, and private ones from the settings. */
export class ReachableAddresses {
  readonly #opened: readonly Range[];
  readonly #own: () => readonly string[];

  /** `opened` as {@link parsePrivateRange} allows; `own`: the addresses of this machine. */
  constructor(opened: readonly string[] = [], own: () => readonly string[] = ownAddresses) {
    this.#opened = opened.map(parsePrivateRange);
    this.#own = own;
  }

  has(text: string): boolean {
    // Canonical forms only: other parsers may read an unusual form as another address.
    if (net.isIP(text) === 0 || text.includes('%')) return false;
    // `process` makes an IPv4 address of one that is mapped into IPv6.
    const address = ipaddr.process(text);
    if (isIn(METADATA, address)) return false;
    if (isIn(this.#opened, address)) return true;
    return isPublic(address) && !this.#own().includes(address.toString());
  }
}

/** Parses a private range of a setting. Throws `invalid_input`. */
export function parsePrivateRange(text: string): Range {
  if (!ipaddr.isValidCIDR(text)) throw badRange(text, 'it is not a range in CIDR notation');
  const [base, bits] = ipaddr.parseCIDR(text);
  const lies = OPENABLE.some(([around, most]) => bits >= most && isIn([[around, most]], base));
  if (!lies) throw badRange(text, 'it is not a private range');
  return [base, bits];
}

/** Unicast without a special purpose; in IPv6, only the range that is assigned to the internet. */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || isIn(GLOBAL_IPV6, address);
}

function isIn(among: readonly Range[], address: Address): boolean {
  return among.some((range) => range[0].kind() === address.kind() && address.match(range));
}

function ranges(...texts: string[]): Range[] {
  return texts.map((text) => ipaddr.parseCIDR(text));
}

function ownAddresses(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((all = []) =>
    all.map(({ address }) => ipaddr.process(address).toString()),
  );
}

function badRange(range: string, reason: string): AppError {
  return new AppError(
    'invalid_input',
    `The range "${range}" can't be opened: ${reason}. Allowed: ranges within ${OPENABLE.map(([base, bits]) => `${base}/${bits}`).join(', ')}.`,
  );
}
