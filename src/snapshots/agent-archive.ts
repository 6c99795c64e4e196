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

/** Longest chain of forks of a conversation. */
const FORKS = 1000;

/**
 * Runs in the container. An agent that never worked has no conversation, and gives an empty archive. A
 * forked conversation holds only what came after the fork, so its chain of origins goes with it. A
 * circle of forks repeats files as links, which are skipped.
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
  /** Limits of the workspace, and of the conversation. */
  bounds: ArchiveBounds;
  signal: AbortSignal;
};

type Content = {
  archive: AsyncIterable<Uint8Array>;
  /** Valid once the archive was read to its end. */
  report(): { omitted: number; hasConversation: boolean };
};

/** The tar archive of an agent that is awake, in the format of docs/snapshots.md. */
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

/** Passes an archive through, and its report at the end. */
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
  /** Called with the id of each conversation. */
  take: (id: string) => void;
};

/** An archive of the conversation and its origins; empty if there is none. */
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
