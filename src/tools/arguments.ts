import { z } from 'zod';
import { agentNameSchema } from '../identity/agent-id.ts';

const LONGEST_ID = 100;
const LONGEST_TIMEOUT_SECONDS = 86_400;

/** Arguments that several tools take. */
export const agentName = agentNameSchema.describe('The agent.');

export const optionalAgentName = agentNameSchema
  .optional()
  .describe('The agent. Default: the one that get_my_session_info shows.');

export const filterByAgent = agentNameSchema
  .optional()
  .describe('Returns those of this agent only. Default: of all your agents.');

export const id = z.string().min(1).max(LONGEST_ID);

export const turnId = id.describe('The turn_id of a result, or one from list_turns.');

export const limit = (largest: number, standard: number) =>
  z.number().int().min(1).max(largest).default(standard).describe('The most entries to return.');

export const timeoutSeconds = z.number().int().min(1).max(LONGEST_TIMEOUT_SECONDS).optional();

/** What a call without arguments takes. */
export const noInput = z.strictObject({});
