import { ENGINE_CALLS } from '../../src/runtime/engine-guard/engine-calls.ts';

const METHODS = ['GET', 'POST', 'DELETE'] as const;

/** docs/engine-calls.md, generated from the list that the guard enforces. */
export function engineCallsPage(): string {
  const calls = Object.values(ENGINE_CALLS).map((call) => ({
    ...call,
    parameters: 'query' in call ? Object.keys(call.query) : [],
  }));
  const rows = calls.map(({ method, path, parameters, check }) => {
    const names = parameters.map((name) => `\`${name}\``).join(', ') || '–';
    return `| ${method} | \`${path.replaceAll('|', '\\|')}\` | ${names} | ${check} |`;
  });
  const flags = METHODS.map((method) => {
    const paths = calls.filter((call) => call.method === method).map(({ path }) => path);
    return `-allow${method}='^(${paths.join('|')})$'`;
  });
  return `# What the server asks of an engine

Every request that the server sends to Docker. \`engine-guard\` lets through these and no others; paths are regular expressions, without a version before them.

<!-- Made from src/runtime/engine-guard/engine-calls.ts by \`npm run docs\`. -->

| Method | Path | Parameters | What the guard looks at besides |
| --- | --- | --- | --- |
${rows.join('\n')}

## For another proxy

As the flags of [wollomatic/socket-proxy](https://github.com/wollomatic/socket-proxy). It looks at methods and paths, not at bodies: who may create containers through it is still root on the machine.

\`\`\`sh
${flags.join('\n')}
\`\`\`
`;
}
