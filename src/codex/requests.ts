import type { CommandOptions, ThreadOptions, TurnOptions, TurnSandbox } from './codex-client.ts';
import { UNWANTED_NOTIFICATIONS } from './protocol.ts';

export function initializeParams(clientVersion: string) {
  return {
    clientInfo: { name: 'codex-mcp-server', title: 'codex-mcp-server', version: clientVersion },
    capabilities: {
      // thread/backgroundTerminals/clean requires it.
      experimentalApi: true,
      requestAttestation: false,
      optOutNotificationMethods: UNWANTED_NOTIFICATIONS,
    },
  };
}

/**
 * Threads always start read-only: with full access Codex would trust the repository and apply its
 * `.codex/config.toml`. Each turn sets its own sandbox.
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

/** `forceReload`, since Codex cannot watch all directories of skills. */
export function skillsListParams(cwd: string) {
  return { cwds: [cwd], forceReload: true };
}

function textInput(text: string) {
  return [{ type: 'text', text, text_elements: [] }];
}

/** A turn to join is the last one of its thread, or followed by a repair turn. */
const RECENT_TURNS = 5;

export function turnsListParams(threadId: string) {
  return { threadId, limit: RECENT_TURNS, itemsView: 'full' };
}

function sandboxPolicy(sandbox: TurnSandbox, cwd: string) {
  switch (sandbox) {
    case 'external':
      // The gateway restricts the network. With `restricted`, Codex would tell the model that there is
      // no network, and its commands would not try the proxy.
      return { type: 'externalSandbox', networkAccess: 'enabled' };
    case 'workspace-write':
      return {
        type: 'workspaceWrite',
        // Codex makes `.git` read-only otherwise, and git could not commit.
        writableRoots: [`${cwd}/.git`],
        networkAccess: false,
        // Agents without containers share /tmp; each one has a TMPDIR of its own.
        excludeSlashTmp: true,
        excludeTmpdirEnvVar: false,
      };
    case 'read-only':
      return { type: 'readOnly', networkAccess: false };
    default:
      return sandbox satisfies never;
  }
}
