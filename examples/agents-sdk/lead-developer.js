/**
 * A lead developer of the OpenAI Agents SDK, who has Codex do the work:
 *
 *     npm install && OPENAI_API_KEY=sk-… node lead-developer.js 'Add a dark theme'
 *
 * It reaches codex-mcp-server at CODEX_MCP_URL (http://localhost:8210); with --stdio by
 * `npx codex-hangar stdio`, which uses a server that runs on this machine or is one itself.
 * CODEX_MCP_TOKEN is the token, if the server wants one.
 */
import { parseArgs } from 'node:util';
import {
  Agent,
  createMCPToolStaticFilter,
  MCPServerStdio,
  MCPServerStreamableHttp,
  run,
} from '@openai/agents';

const { CODEX_MCP_URL = 'http://localhost:8210', CODEX_MCP_TOKEN } = process.env;
const { values, positionals } = parseArgs({
  options: { stdio: { type: 'boolean' } },
  allowPositionals: true,
});
const task = positionals.join(' ');
if (!task) {
  console.error("Usage: node lead-developer.js [--stdio] 'what is to be done'");
  process.exit(2);
}

const options = {
  name: 'codex',
  // All tools would cost tokens with every request.
  toolFilter: createMCPToolStaticFilter({ allowed: ['plan', 'implement', 'review'] }),
  // Codex works for minutes; the default is a minute.
  timeout: 30 * 60_000,
};
const codex = values.stdio
  ? new MCPServerStdio({
      ...options,
      command: 'npx',
      args: ['codex-hangar', 'stdio'],
      // npx may have to install it first; the default is 5 seconds.
      clientSessionTimeoutSeconds: 60,
      // Nothing but PATH and the like is passed on otherwise.
      env: process.env,
    })
  : new MCPServerStreamableHttp({
      ...options,
      url: `${CODEX_MCP_URL}/mcp`,
      requestInit: {
        headers: CODEX_MCP_TOKEN ? { authorization: `Bearer ${CODEX_MCP_TOKEN}` } : {},
      },
    });

const lead = new Agent({
  name: 'Lead developer',
  instructions: `You lead developers and write no code yourself. Codex has the workspace and does the work.
Delegate by the tool implement, in words that say what is wanted and how one sees that it is done; give a check_command where there is one.
Pass the agent_id of a result to every further call, so that the same agent goes on with the same files.
Look at the diffs in the result. If they are not what was asked for, say so in another call. At last tell the user what was changed.`,
  mcpServers: [codex],
});

await codex.connect();
try {
  const { finalOutput } = await run(lead, task);
  console.log(finalOutput);
} finally {
  await codex.close();
}
