/** By these labels a restarted server finds its containers and volumes. */
export const LABELS = {
  installation: 'codex-mcp.installation',
  agent: 'codex-mcp.agent',
  /** Fingerprint of the settings and the image of a container. */
  spec: 'codex-mcp.spec',
  /** Fingerprint of the environment, which contains a token. */
  env: 'codex-mcp.env',
  /** The source agent, for a container that copies volumes. */
  copyOf: 'codex-mcp.copy-of',
  /** Version of Codex in an image. */
  codexVersion: 'codex-mcp.codex-version',
} as const;

/** Filter for the engine's list and event calls. */
export function installationFilter(installationId: string): { label: string[] } {
  return { label: [`${LABELS.installation}=${installationId}`] };
}
