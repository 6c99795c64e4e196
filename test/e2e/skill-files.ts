import fs from 'node:fs';
import path from 'node:path';

type Skill = { description: string; body?: string; scripts?: Record<string, string> };

/** Writes a skill as Codex has it into a directory of skills. */
export function writeSkill(directory: string, name: string, { description, ...more }: Skill): void {
  const scripts = path.join(directory, name, 'scripts');
  fs.mkdirSync(scripts, { recursive: true });
  const head = `---\nname: ${name}\ndescription: ${description}\n---\n`;
  fs.writeFileSync(path.join(directory, name, 'SKILL.md'), `${head}\n${more.body ?? ''}\n`);
  for (const [file, text] of Object.entries(more.scripts ?? {})) {
    fs.writeFileSync(path.join(scripts, file), text);
  }
}

/** An MCP server with one tool, `look_up`, that speaks by its standard input and output. */
export const wordsServer = `
import readline from 'node:readline';
const tool = {
  name: 'look_up',
  description: 'Says what a word means.',
  inputSchema: { type: 'object', properties: { word: { type: 'string' } } },
};
const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'words', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [tool] }),
  'tools/call': ({ arguments: { word } }) => ({
    content: [{ type: 'text', text: word + ': a fruit' }],
  }),
};
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = answers[method]?.(params) ?? {};
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
}
`;
