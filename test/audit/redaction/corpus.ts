import { createHash, generateKeyPairSync } from 'node:crypto';

/** Text and the secret in it, made here: what looks like a secret is in no file. */
export type Positive = { name: string; text: string; secret: string };

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** So many letters and digits, the same for the same seed. */
function random(length: number, seed: string, alphabet = LETTERS): string {
  let text = '';
  for (let round = 0; text.length < length; round += 1) {
    for (const byte of createHash('sha256').update(`${seed}${round}`).digest()) {
      text += alphabet[byte % alphabet.length];
    }
  }
  return text.slice(0, length);
}

const hex = (length: number, seed: string) => random(length, seed, '0123456789abcdef');
const upper = (length: number, seed: string) =>
  random(length, seed, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567');
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function positives(): Positive[] {
  return [...tokens(), ...keys(), ...places()];
}

function tokens(): Positive[] {
  const all: Record<string, string> = {
    'GitHub token': `ghp_${random(36, 'gh')}`,
    'GitHub fine-grained token': `github_pat_${random(22, 'pat')}_${random(59, 'pat2')}`,
    'GitLab token': `glpat-${random(20, 'gl')}`,
    'OpenAI project key': `sk-proj-${random(74, 'oa')}T3BlbkFJ${random(74, 'oa2')}`,
    'OpenAI old key': `sk-${random(20, 'ob')}T3BlbkFJ${random(20, 'ob2')}`,
    'Anthropic key': `sk-ant-api03-${random(93, 'an')}AA`,
    'AWS key id': `AKIA${upper(16, 'aws')}`,
    'Slack bot token': `xoxb-${random(12, 's1', '0123456789')}-${random(24, 's2')}`,
    'SendGrid key': `SG.${random(22, 'sg')}.${random(43, 'sg2')}`,
    'npm token': `npm_${random(36, 'npm')}`,
    'Hugging Face token': `hf_${random(34, 'hf', LETTERS.slice(0, 52))}`,
    'Groq key': `gsk_${random(52, 'gq')}`,
    'Stripe live key': `sk_live_${random(24, 'st')}`,
    'Databricks token': `dapi${hex(32, 'db')}`,
    'Vault token': `hvs.${random(90, 'hv')}`,
    'Linear key': `lin_api_${random(40, 'li')}`,
  };
  return Object.entries(all).map(([name, secret]) => ({
    name,
    secret,
    text: `set it with login --with ${secret} and go on`,
  }));
}

function keys(): Positive[] {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const body = privateKey.split('\n').slice(3, -3).join('\n');
  const jwt = [
    base64url({ alg: 'HS256', typ: 'JWT' }),
    base64url({ sub: 'somebody', iat: 1_516_239_022 }),
    random(43, 'jwt'),
  ].join('.');
  return [
    { name: 'private key', text: `cat key.pem\n${privateKey}`, secret: body },
    {
      name: 'private key in JSON',
      text: JSON.stringify({ key: privateKey }),
      secret: body.replaceAll('\n', '\\n'),
    },
    {
      name: 'private key, its end cut off',
      text: privateKey.slice(0, 900),
      secret: body.slice(0, 500),
    },
    {
      name: 'private key, its beginning cut off',
      text: privateKey.slice(400),
      secret: body.slice(-300),
    },
    { name: 'JWT', text: `cookie: session=${jwt}; path=/`, secret: jwt },
  ];
}

function places(): Positive[] {
  const password = `hunter2-${random(6, 'pw')}`;
  const value = random(32, 'value');
  const gateway = random(43, 'gateway');
  const card = ['4539', '1488', '0343', '6467'];
  return [
    { name: 'bearer header', text: `authorization: Bearer ${value}`, secret: value },
    {
      name: 'basic header',
      text: `Authorization: Basic ${btoa(`bob:${password}`)}`,
      secret: btoa(`bob:${password}`),
    },
    {
      name: 'password in a URL',
      text: `git clone https://bob:${password}@git.example.com/a.git`,
      secret: password,
    },
    {
      name: 'password in a database URL',
      text: `DATABASE_URL=postgres://app:${password}@db:5432/app`,
      secret: password,
    },
    {
      name: 'environment of an agent',
      text: `HOME=/home/agent\nCODEX_GATEWAY_TOKEN=${gateway}\nPATH=/bin`,
      secret: gateway,
    },
    { name: 'key in a .env file', text: `STRIPE_API_KEY="${value}"`, secret: value },
    { name: 'password in YAML', text: `db:\n  password: ${password}\n`, secret: password },
    { name: 'secret in JSON', text: `{"clientSecret": "${value}"}`, secret: value },
    {
      name: 'secret in quoted JSON',
      text: JSON.stringify(`{"client_secret":"${value}"}`),
      secret: value,
    },
    {
      name: 'AWS secret key',
      text: `aws_secret_access_key = ${random(40, 'awss')}`,
      secret: random(40, 'awss'),
    },
    { name: 'card number', text: `charged ${card.join(' ')} today`, secret: card.join(' ') },
    { name: 'card number with dashes', text: `card: ${card.join('-')}`, secret: card.join('-') },
  ];
}

/** Text as agents write it, in which nothing is to be redacted. */
export function negatives(): string[] {
  const sha = createHash('sha1').update('commit').digest('hex');
  return [
    `commit ${sha}\nAuthor: A B <a.b@example.com>\nDate:   Sat Nov 21 15:40:00 2026 +0000`,
    `index ${sha.slice(0, 7)}..${sha.slice(7, 14)} 100644`,
    `"integrity": "sha512-${Buffer.from(sha + sha).toString('base64')}"`,
    'const token = await getToken({ audience: "https://api.example.com" });',
    'if (!password) throw new Error("a password is needed");',
    'password: z.string().min(8).max(128),',
    'export type Session = { token: string; secret: Uint8Array; expiresAt: Date };',
    'const tokenizer = new Tokenizer("cl100k_base");',
    'const tokenizer: gpt2_tokenizer_v1 = loadTokenizer();',
    '{"total_tokens":1234567890,"input_tokens":987654321,"cached_input_tokens":0}',
    'apiKey: process.env.OPENAI_API_KEY2_STAGING,',
    `OPENAI_API_KEY=$${'{OPENAI_API_KEY}'}`,
    'OPENAI_API_KEY=<your key here>',
    `https://user:$${'{PASSWORD}'}@host.example.com/path`,
    'GET http://127.0.0.1:8210/api/v1/agents?limit=100 200 in 12 ms',
    'see https://example.com:8443/@scope/package@1.2.3',
    'npm http fetch GET 200 https://registry.example.org/@types%2fnode 120ms',
    'id 550e8400-e29b-41d4-a716-446655440000 at 2026-11-21T15:40:00.000Z',
    'timestamp 1732204800000, 1732204800000000000 ns, order 1234567890123456',
    'tests 4012 passed (4012), 16 skipped, duration 12.34s',
    'phone +49 30 1234 5678 9012, IBAN like text DE00 1234 5678 9012 3456 00',
    'Bearer authentication is described in section two of the specification.',
    'authorization: Bearer <token>',
    '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUabc\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----',
    'The secret: keep functions short and names honest.',
    'credentials: "include", mode: "cors", cache: "no-store"',
    'error TS2345: Argument of type "string" is not assignable to parameter of type "Token".',
    `at Object.<anonymous> (/workspace/src/token-bucket.ts:12:34)`,
    'chmod 600 ~/.ssh/id_ed25519 && ssh-keygen -lf ~/.ssh/id_ed25519.pub',
    'secretary-general-2: 12 votes',
    'The eyJ prefix is how a base64 JSON object begins.',
  ];
}
