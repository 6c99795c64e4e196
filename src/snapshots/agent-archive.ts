import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { AgentRecord } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { AppError } from '../errors.ts';
import { CODEX_VERSION } from '../version.ts';
import {
  type ArchiveBounds,
  type ArchiveReport,
  ArchiveRules,
} from '../workspaces/transfers/archive-rules.ts';
import { checkedArchive } from '../workspaces/transfers/checked-archive.ts';
import type { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { concatenated, inDirectory, rolloutAt, SESSIONS, WORKSPACE } from './archive-layout.ts';
import { MANIFEST, writeManifest } from './manifest.ts';

/** How many forks of forks a conversation has at most. */
const FORKS = 1000;

/**
 * In the container; an agent that never worked has no conversations, and gives an archive of nothing.
 * A conversation that is the fork of another one has only what came after, so that goes with it, and so
 * on. Who made a circle of them gets some twice, as links, which nobody takes.
 */
const GIVE_CONVERSATION = `cd "$CODEX_HOME/sessions" 2>/dev/null || exec tar -cf - -T /dev/null
id=$THREAD left=${FORKS}
while [ -n "$id" ] && [ "$left" -gt 0 ]; do
  file=$(find . -type f -name "*$id.jsonl" | head -n 1)
  [ -n "$file" ] || break
  printf '%s\\n' "$file"
  id=$(head -n 1 "$file" | grep -o '"forked_from_id":"[0-9a-f-]*"' | head -n 1 | cut -d '"' -f 4)
  left=$((left - 1))
done | tar -cf - -T -`;

type ArchiveOptions = {
  store: { agents: AgentStore };
  files: WorkspaceFiles;
  version: string;
  /** Of the workspace, and of the conversation. */
  bounds: ArchiveBounds;
  signal: AbortSignal;
};

type Content = {
  archive: AsyncIterable<Uint8Array>;
  /** Once the archive was read to its end. */
  report(): { omitted: number; hasConversation: boolean };
};

/** An agent that is awake as an archive of tar, as docs/snapshots.md says. */
export function archiveOfAgent(
  { agent: { agentId }, link }: { agent: AgentRecord; link: AgentLink },
  { store, files, version, bounds, signal }: ArchiveOptions,
): Content {
  const agent = store.agents.get(agentId);
  if (!agent) throw new AppError('agent_not_found', 'The agent was removed meanwhile.');
  const threadId = agent.threadId ?? agent.forkOf;
  const sessions = new ArchiveRules({ bounds, git: 'skip', lenient: true });
  const workspace = new ArchiveRules({ bounds, git: 'take', lenient: true });
  const sent = files.get(agentId, { bounds, base: [], git: true, signal });
  let omitted = 0;
  let hasConversation = false;
  const take = (id: string) => {
    hasConversation ||= id === threadId;
  };
  const noted = telling(sent, (report) => {
    omitted = report.omitted;
  });
  const parts = [
    archiveOf(writeManifest(agent, { product: version, codex: CODEX_VERSION })),
    ...(threadId === undefined ? [] : [conversation({ link, threadId, signal, take }, sessions)]),
    checkedArchive(noted, inDirectory(WORKSPACE, workspace)),
  ];
  return {
    archive: concatenated(parts),
    report: () => ({ omitted, hasConversation }),
  };
}

function archiveOf(manifest: string): AsyncIterable<Uint8Array> {
  const packed = pack();
  packed.entry({ name: MANIFEST, mode: 0o644, mtime: new Date() }, manifest);
  packed.finalize();
  return Readable.from(packed);
}

/** The same archive; what it held is told at its end. */
async function* telling(
  archive: AsyncGenerator<Uint8Array, ArchiveReport>,
  tell: (report: ArchiveReport) => void,
): AsyncGenerator<Uint8Array> {
  tell(yield* archive);
}

type ConversationSource = {
  link: AgentLink;
  threadId: string;
  signal: AbortSignal;
  /** Hears the id of each part. */
  take: (id: string) => void;
};

/** The conversation as an archive of its own, with those that it is a fork of; without an entry if it is not there. */
async function* conversation(
  { link, threadId, signal, take }: ConversationSource,
  rules: ArchiveRules,
): AsyncGenerator<Uint8Array> {
  const process = await link.workspace.exec(['sh', '-c', GIVE_CONVERSATION], { THREAD: threadId });
  const end = () => process.stdio.destroy();
  signal.addEventListener('abort', end);
  process.stderr.resume();
  try {
    const isWanted = ({ name, type }: { name: string; type?: string | null | undefined }) => {
      const rollout = type === 'file' ? rolloutAt(name) : undefined;
      if (rollout) take(rollout.id);
      return rollout !== undefined;
    };
    yield* checkedArchive(process.stdio, inDirectory(SESSIONS, rules, isWanted));
    if ((await process.exited) === 0) return;
    throw new AppError('copy_failed', 'The conversation of the agent could not be read.');
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}
