import { z } from 'zod';
import { httpUrl, setting, wholeNumber } from '../setting.ts';

export const modelSettings = {
  OPENAI_API_KEY: setting(z.string().min(1).optional(), {
    group: 'Model',
    description: 'Key of the model provider. It stays in the server and never enters a container.',
    allowed: 'a non-empty string',
    secret: true,
  }),
  OPENAI_BASE_URL: setting(httpUrl().optional(), {
    group: 'Model',
    description:
      'Base URL of any endpoint that speaks the OpenAI Responses API. Required when `CODEX_PROVIDER` is not `openai`.',
    allowed: 'an http or https URL',
    shownDefault: 'https://api.openai.com/v1',
  }),
  CODEX_PROVIDER: setting(
    z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,31}$/)
      .default('openai'),
    {
      group: 'Model',
      description: 'Name of the model provider. `openai` needs no `OPENAI_BASE_URL`.',
      allowed: 'a lower-case name of at most 32 characters',
    },
  ),
  CODEX_MODEL: setting(z.string().min(1).max(100).default('gpt-5'), {
    group: 'Model',
    description: 'Model of a turn, if the call names none.',
    allowed: 'a model name the provider knows',
  }),
  CODEX_REASONING: setting(
    z.enum(['minimal', 'low', 'medium', 'high', 'xhigh']).default('medium'),
    {
      group: 'Model',
      description: 'Reasoning effort of a turn, if the call names none.',
      allowed: 'minimal, low, medium, high or xhigh',
    },
  ),
  CODEX_SANDBOX_MODE: setting(
    z.enum(['read-only', 'workspace-write', 'danger-full-access']).default('workspace-write'),
    {
      group: 'Model',
      description:
        'Sandbox of a `codex` call that names none. It never reaches beyond the container.',
      allowed: 'read-only, workspace-write or danger-full-access',
    },
  ),
  MODEL_MAX_RETRIES: setting(wholeNumber(0, 20).default(5), {
    group: 'Model',
    description: 'How often the gateway retries a model request that was answered 429.',
    allowed: 'a whole number from 0 to 20',
  }),
  MODEL_MAX_RETRY_WAIT: setting(wholeNumber(1, 600).default(60), {
    group: 'Model',
    description: 'Longest wait between two such retries, in seconds.',
    allowed: 'a whole number from 1 to 600',
  }),
};
