import os from 'node:os';
import { expect, test } from 'vitest';
import { ReachableAddresses } from '../../../src/gateway/egress/reachable-addresses.ts';

const NEVER = [
  ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.255.254', '169.254.169.254', '169.254.0.1'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '192.0.0.192'],
  ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '192.88.99.1', '100.100.100.200'],
  ...['168.63.129.16', '::', '::1', 'fe80::1', 'fe80::1%lo', 'fec0::1', 'ff02::1'],
  ...['fd00:ec2::254', 'fd20:ce::254', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1'],
  ...['::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::a00:1'],
  ...['2002:7f00:1::', '2001::1', '2001:db8::1', '3fff::1', '100::1', '5f00::1', '4000::1'],
  ...['2001:20::1', '', 'localhost', '0177.0.0.1', '0x7f.1', '127.1', '2130706433', '[::1]'],
];
const PRIVATE = [
  ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.0.1'],
  ...['198.18.0.1', 'fc00::1', 'fd12:3456::1', '::ffff:10.0.0.1', '::ffff:c0a8:101'],
];
const PUBLIC = ['93.184.216.34', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:1.1.1.1'];
const ALL_PRIVATE = [
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ...['100.64.0.0/10', '198.18.0.0/15', 'fc00::/7'],
];

test.each(NEVER)('%s is never reached, whatever is opened', (address) => {
  expect(new ReachableAddresses().has(address)).toBe(false);
  expect(new ReachableAddresses(ALL_PRIVATE).has(address)).toBe(false);
});

test.each(PRIVATE)('%s is reached where it was opened', (address) => {
  expect(new ReachableAddresses().has(address)).toBe(false);
  expect(new ReachableAddresses(['10.9.0.0/16', 'fd99::/64']).has(address)).toBe(false);
  expect(new ReachableAddresses(ALL_PRIVATE).has(address)).toBe(true);
});

test.each(PUBLIC)('%s is reached, unless it is this machine', (address) => {
  expect(new ReachableAddresses().has(address)).toBe(true);
  const own = () => [address.replace('::ffff:', '')];
  expect(new ReachableAddresses([], own).has(address)).toBe(false);
});

test('no address of this machine is reached', () => {
  const addresses = Object.values(os.networkInterfaces()).flatMap((all = []) => all);
  expect(addresses.length).toBeGreaterThan(0);
  const reachable = new ReachableAddresses();
  expect(addresses.filter(({ address }) => reachable.has(address))).toEqual([]);
});

test.each([
  ...['127.0.0.0/8', '0.0.0.0/0', '10.0.0.0/7', '169.254.0.0/16', '8.8.8.0/24', '::1/128'],
  ...['fe80::/10', '::/0', '::ffff:10.0.0.0/104', '10.0.0.1', 'private', ''],
])('"%s" can not be opened', (range) => {
  expect(() => new ReachableAddresses([range])).toThrow(`The range "${range}" can't be opened`);
});
