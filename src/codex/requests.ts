import type { CommandOptions, ThreadOptions, TurnOptions, TurnSandbox } from './codex-client.ts';
import { UNWANTED_NOTIFICATIONS } from './protocol.ts';

export function initializeParams(clientVersion: string) {
  return {
    clientInfo: { name: 'codex-mcp-server', title: 'codex-mcp-server', version: clientVersion },
    capabilities: {
      // Background terminals can be cleaned by experimental clients only.
      experimentalApi: true,
      requestAttestation: false,
      optOutNotificationMethods: UNWANTED_NOTIFICATIONS,
    },
  };
}

/**
 * A thread starts read-only whatever its turns may do: starting it with full access would make
 * Codex trust the repository and run what its `.codex/config.toml` says.
 */
export function threadStartParams(options: ThreadOptions) {
  const { cwd, model, baseInstructions, developerInstructions, config } = options;
  const asked = { cwd, model, baseInstructions, developerInstructions, config };
  return { ...asked, sandbox: 'read-only', approvalPolicy: 'never' };
}

export function threadResumeParams(threadId: string, options: ThreadOptions) {
  return { threadId, excludeTurns: true, ...threadStartParams(options) };
}

export function turnStartParams(options: TurnOptions) {
  const { threadId, prompt, cwd, model, effort, outputSchema, clientMessageId } = options;
  const skills = (options.skills ?? []).map(({ name, path }) => ({ type: 'skill', name, path }));
  return {
    threadId,
    input: [...textInput(prompt), ...skills],
    cwd,
    model,
    effort,
    outputSchema,
    clientUserMessageId: clientMessageId,
    approvalPolicy: options.approvalPolicy,
    sandboxPolicy: sandboxPolicy(options.sandbox, cwd),
  };
}

export function turnSteerParams(threadId: string, expectedTurnId: string, message: string) {
  return { threadId, expectedTurnId, input: textInput(message) };
}

export function commandExecParams(options: CommandOptions, processId: string) {
  const { command, cwd, sandbox, timeoutMs, outputBytes } = options;
  return {
    command,
    cwd,
    processId,
    timeoutMs,
    outputBytesCap: outputBytes,
    sandboxPolicy: sandboxPolicy(sandbox, cwd),
  };
}

export function injectItemsParams(threadId: string, text: string) {
  const content = [{ type: 'input_text', text }];
  return { threadId, items: [{ type: 'message', role: 'developer', content }] };
}

/** Files of an agent change while Codex runs, also where it cannot watch them. */
export function skillsListParams(cwd: string) {
  return { cwds: [cwd], forceReload: true };
}

function textInput(text: string) {
  return [{ type: 'text', text, text_elements: [] }];
}

/** How far back a turn is looked for: it was the last that the server sent, or a repair came after it. */
const RECENT_TURNS = 5;

export function turnsListParams(threadId: string) {
  return { threadId, limit: RECENT_TURNS, itemsView: 'full' };
}

function sandboxPolicy(sandbox: TurnSandbox, cwd: string) {
  switch (sandbox) {
    case 'external':
      // What a container may reach is the gateway's to decide. Under `restricted` Codex would tell
      // the model and its commands that there is no network, and they would not try the proxy.
      return { type: 'externalSandbox', networkAccess: 'enabled' };
    case 'workspace-write':
      return {
        type: 'workspaceWrite',
        // Codex keeps `.git` from being written otherwise, and then nothing could be committed.
        writableRoots: [`${cwd}/.git`],
        networkAccess: false,
        // Agents without containers share /tmp; one that shall have a place there has a TMPDIR.
        excludeSlashTmp: true,
        excludeTmpdirEnvVar: false,
      };
    case 'read-only':
      return { type: 'readOnly', networkAccess: false };
    default:
      return sandbox satisfies never;
  }
}
