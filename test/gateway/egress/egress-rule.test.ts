import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/config.ts';
import { parseEgressRule, ruleMatches } from '../../../src/gateway/egress/egress-rule.ts';
import { connectTarget, httpTarget } from '../../../src/gateway/egress/egress-target.ts';
import { EGRESS_PRESETS } from '../../../src/gateway/egress/presets.ts';
import { loadConfig } from '../../../src/server/load-config.ts';

describe('a rule', () => {
  test.each([
    ['example.org', 'example.org', [443, 80]],
    ['Example.ORG.', 'example.org', [443, 80]],
    ['bücher.example', 'xn--bcher-kva.example', [443, 80]],
    ['git.example.org:8443', 'git.example.org:8443', [8443]],
    ['*.example.org', '*.example.org', [443, 80]],
    ['*', '*', [443, 80]],
    ['*:22', '*:22', [22]],
    ['https://example.org:443/', 'https://example.org', [443]],
    ['http://mirror', 'http://mirror', [80]],
    ['mirror:8080', 'mirror:8080', [8080]],
    ['get|head example.org', 'GET|HEAD http://example.org', [80]],
    ['GET http://example.org:8080', 'GET http://example.org:8080', [8080]],
    ['0x0a.1', '10.0.0.1', [443, 80]],
    ['[FD00:0::1]:443', '[fd00::1]:443', [443]],
  ])('%s is %s', (written, text, ports) => {
    const [rule] = parseEgressRule(written);
    expect(rule).toMatchObject({ text, ports });
    expect(parseEgressRule(text)).toEqual([rule]);
  });

  test.each([
    ['', 'no host'],
    ['pyip', 'neither a preset nor a name'],
    ['exa*mple.org', 'no host'],
    ['*.*.org', 'no host'],
    ['*.10.0.0.1', 'no host'],
    ['example.org/path', 'no host'],
    ['user@example.org', 'no host'],
    ['example.org:0', 'a port is a number'],
    ['example.org:65536', 'a port is a number'],
    ['ftp://example.org', 'no host'],
    ['GET https://example.org', 'cannot see methods of https'],
    ['CONNECT example.org', '"CONNECT" is not a method'],
    ['foo example.org', '"FOO" is not a method'],
    ['GET| http://example.org', 'is not a method'],
  ])('"%s" can not be one', (written, reason) => {
    expect(() => parseEgressRule(written)).toThrow(`The rule "${written}" can't be used: `);
    expect(() => parseEgressRule(written)).toThrow(reason);
  });

  test('every preset can be read, and opens no clear text but for reading', () => {
    for (const name of Object.keys(EGRESS_PRESETS)) {
      for (const rule of parseEgressRule(name.toUpperCase())) {
        expect(rule.text).toBe(name);
        expect(rule.way === 'connect' || rule.methods?.join() === 'GET', rule.host).toBe(true);
      }
    }
  });

  test('every preset is in the document as it is', () => {
    const page = fs.readFileSync(new URL('../../../docs/egress.md', import.meta.url), 'utf8');
    for (const [name, rules] of Object.entries(EGRESS_PRESETS)) {
      const shown = rules.map((rule) => `\`${rule}\``).join(' ');
      expect(page).toContain(`| \`${name}\` | ${shown} |\n`);
    }
  });

  test('a setting with a bad rule or range stops the start and names it', () => {
    const load = () =>
      loadConfig({ EGRESS_ALLOW: 'npm, pyip', EGRESS_ALLOW_PRIVATE: '10.0.0.0/8,127.0.0.0/8' });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow('EGRESS_ALLOW: The rule "pyip" can\'t be used');
    expect(load).toThrow('EGRESS_ALLOW_PRIVATE: The range "127.0.0.0/8" can\'t be opened');
    expect(load).not.toThrow('npm" can');
  });
});

describe('what a rule allows', () => {
  const https = (authority: string) => connectTarget(authority);
  const get = (url: string) => httpTarget('GET', url);
  test.each([
    ['example.org', https('example.org:443'), true],
    ['example.org', https('EXAMPLE.org.:443'), true],
    ['example.org', https('example.org:22'), false],
    ['example.org', https('www.example.org:443'), false],
    ['example.org', https('example.org.evil.test:443'), false],
    ['*.example.org', https('a.b.example.org:443'), true],
    ['*.example.org', https('example.org:443'), false],
    ['*.example.org', https('evilexample.org:443'), false],
    ['example.org', get('http://example.org/x'), true],
    ['https://example.org', get('http://example.org:443/x'), false],
    ['http://example.org', https('example.org:80'), false],
    ['GET http://example.org', get('http://user:secret@example.org/x'), true],
    ['GET http://example.org', httpTarget('POST', 'http://example.org/x'), false],
    ['*', https('anything.test:443'), true],
    ['npm', https('registry.npmjs.org:443'), true],
    ['npm', https('npmjs.org:443'), false],
    ['github', https('github.com:443'), false],
    ['2130706433:443', https('127.1:443'), true],
  ])('%s, %j: %s', (rule, target, allowed) => {
    expect(target).toBeDefined();
    expect(target && parseEgressRule(rule).some((one) => ruleMatches(one, target))).toBe(allowed);
  });
});

describe('where a program wants to go', () => {
  test.each([
    ['example.org:443', 'example.org', 443],
    ['example.org:80', 'example.org', 80],
    ['%65xample.org:443', 'example.org', 443],
    ['ｅxample.org:443', 'example.org', 443],
    ['0x7f000001:443', '127.0.0.1', 443],
    ['0177.0.0.1:443', '127.0.0.1', 443],
    ['2130706433:443', '127.0.0.1', 443],
    ['127.1:443', '127.0.0.1', 443],
    ['127.0.0.1.:443', '127.0.0.1', 443],
    ['[0:0::1]:443', '::1', 443],
    ['[::ffff:169.254.169.254]:80', '::ffff:a9fe:a9fe', 80],
  ])('%s is %s port %i', (authority, host, port) => {
    expect(connectTarget(authority)).toEqual({ way: 'connect', method: 'CONNECT', host, port });
  });

  test.each([
    ...['', 'example.org', 'example.org:', ':443', 'example.org:0', 'example.org:99999'],
    ...['user@example.org:443', 'example.org:443/x', 'a b:443', '::1:443', '[::1:443'],
    ...['[v1.x]:443', '1.2.3.4.5:443', '256.1.1.1:443', 'exa\\mple.org:443', '.:443'],
    `${'a'.repeat(254)}:443`,
  ])('"%s" is nowhere', (authority) => {
    expect(connectTarget(authority)).toBeUndefined();
  });

  test.each(['*', '//example.org/', 'https://example.org/', 'ftp://example.org/', 'http://'])(
    'no request goes to "%s"',
    (url) => expect(httpTarget('GET', url)).toBeUndefined(),
  );
});
