/** Containers carry their own truth: a restarted server finds by these labels what it owns. */
export const LABELS = {
  installation: 'codex-mcp.installation',
  agent: 'codex-mcp.agent',
  /** Fingerprint of the settings and the image that a container was made with. */
  spec: 'codex-mcp.spec',
  /** Fingerprint of its environment, which holds a token. */
  env: 'codex-mcp.env',
  /** Of a container that only copies volumes: the agent that they are copied from. */
  copyOf: 'codex-mcp.copy-of',
  /** Of an image: the version of Codex in it. */
  codexVersion: 'codex-mcp.codex-version',
} as const;

/** Filter of the engine's list and event calls for everything of one installation. */
export function installationFilter(installationId: string): { label: string[] } {
  return { label: [`${LABELS.installation}=${installationId}`] };
}
