import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

type Files = Record<string, string | Buffer>;

/** Uploads files to an agent, which begins with that if it is new; answers what the server says. */
export async function putFiles(
  { url }: { url: string },
  agentId: string,
  files: Files,
  // biome-ignore lint/suspicious/noExplicitAny: tests look into every answer
): Promise<any> {
  const body = new Uint8Array(await archiveOf(files));
  const answer = await fetch(`${url}/api/v1/agents/${agentId}/files`, { method: 'PUT', body });
  return answer.json();
}

export async function archiveOf(files: Files): Promise<Buffer> {
  const packed = pack();
  const whole = buffer(Readable.from(packed));
  for (const [name, content] of Object.entries(files)) packed.entry({ name }, content);
  packed.finalize();
  return whole;
}
