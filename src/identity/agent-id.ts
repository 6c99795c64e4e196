import { z } from 'zod';

/** No value has the property. It keeps two kinds of strings apart, while plain strings are of each. */
type Kind<Of extends string> = string & { readonly __kind?: Of };

/** What the server calls an agent. It becomes part of container names, volume names and paths. */
export type AgentId = Kind<'AgentId'>;

/** What a caller calls an agent: one of its own or, for administrators, `ID@OWNER`. */
export type AgentName = Kind<'AgentName'>;

const FORM = '(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}';
const RULE =
  'must be 1 to 64 letters, digits, "_", "." or "-", begin with a letter or digit and not hold ".."';

export const agentIdSchema: z.ZodType<AgentId, string> = matching(`^${FORM}$`);

/** The name of an agent of one's own. */
export const ownNameSchema: z.ZodType<AgentName, string> = matching(`^${FORM}$`);

export const agentNameSchema: z.ZodType<AgentName, string> = matching(`^${FORM}(@\\S{1,200})?$`);

function matching(pattern: string) {
  return z.string().regex(new RegExp(pattern), RULE);
}

/** What a caller sees of `T`: its own name of the agent in place of the id. */
export type Named<T extends { agentId: AgentId }> = T extends unknown
  ? Omit<T, 'agentId'> & { agentName: AgentName }
  : never;
