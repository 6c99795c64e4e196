import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelRequest } from './model-request.ts';
import type { Step } from './step.ts';

/** What every answer of the stand-in reports. */
export const STAND_IN_USAGE = {
  input_tokens: 1000,
  input_tokens_details: { cached_tokens: 200 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 1050,
};

/** Longer than the default of ten seconds, so that a slow command does not become two tool calls. */
const COMMAND_YIELD_MS = 25_000;

/** Carries a step out as an answer to a request. */
export async function performStep(
  step: Step,
  request: ModelRequest,
  response: ServerResponse,
): Promise<void> {
  switch (step.kind) {
    case 'http':
      response.writeHead(step.status, { 'content-type': 'application/json', ...step.headers });
      response.end(JSON.stringify(step.body));
      return;
    case 'silence':
      return;
    case 'refuse':
      response.destroy();
      return;
    case 'garbage':
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<html>not a model</html>');
      return;
    default:
      await new AnswerStream(request, response).perform(step);
  }
}

type StreamedStep = Exclude<Step, { kind: 'http' | 'silence' | 'refuse' | 'garbage' }>;

class AnswerStream {
  readonly #request: ModelRequest;
  readonly #response: ServerResponse;
  readonly #id = randomUUID().replaceAll('-', '');
  #items = 0;

  constructor(request: ModelRequest, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'x-request-id': `req_${this.#id}`,
    });
  }

  async perform(step: StreamedStep): Promise<void> {
    this.#send('response.created', { response: { id: `resp_${this.#id}` } });
    switch (step.kind) {
      case 'cut':
        this.#beginMessage();
        this.#delta('partial ');
        await sleep(20);
        this.#response.destroy();
        return;
      case 'failed': {
        const { code, message } = step;
        this.#send('response.failed', { response: { error: { code, message } } });
        break;
      }
      default:
        await this.#output(step);
        this.#complete();
    }
    this.#response.end();
  }

  async #output(step: Step): Promise<void> {
    switch (step.kind) {
      case 'text':
        await this.#message(step.text, step.chunkDelayMs);
        return;
      case 'reasoning':
        this.#reasoning(step.summary);
        await this.#output(step.then);
        return;
      case 'shell':
        this.#callTool('exec_command', { cmd: step.command, yield_time_ms: COMMAND_YIELD_MS });
        return;
      case 'patch':
        this.#patch(step.patch);
        return;
      case 'tool':
        this.#callTool(step.name, step.args, step.server);
        return;
      default:
        throw new Error(`a step "${step.kind}" cannot follow reasoning`);
    }
  }

  async #message(text: string, chunkDelayMs: number | undefined): Promise<void> {
    const item = this.#beginMessage();
    const chunks = chunkDelayMs === undefined ? [text] : (text.match(/\S*\s*/g) ?? []);
    for (const chunk of chunks) {
      if (this.#response.destroyed) return;
      this.#delta(chunk);
      if (chunkDelayMs) await sleep(chunkDelayMs);
    }
    this.#done({ ...item, content: [{ type: 'output_text', text }] });
  }

  #beginMessage() {
    const item = { type: 'message', role: 'assistant', id: `msg_${this.#id}`, content: [] };
    this.#send('response.output_item.added', { output_index: this.#items, item });
    return item;
  }

  #delta(delta: string): void {
    const at = { item_id: `msg_${this.#id}`, output_index: this.#items, content_index: 0 };
    this.#send('response.output_text.delta', { ...at, delta });
  }

  #reasoning(summary: string): void {
    const id = `rs_${this.#id}`;
    const item = { type: 'reasoning', id, summary: [] };
    const at = { item_id: id, output_index: this.#items, summary_index: 0 };
    this.#send('response.output_item.added', { output_index: this.#items, item });
    this.#send('response.reasoning_summary_part.added', at);
    this.#send('response.reasoning_summary_text.delta', { ...at, delta: summary });
    this.#done({ ...item, summary: [{ type: 'summary_text', text: summary }] });
  }

  #patch(patch: string): void {
    if (this.#request.codeMode)
      this.#exec(`text(await tools.apply_patch(${JSON.stringify(patch)}));`);
    else if (this.#request.tools.includes('apply_patch')) this.#callCustom('apply_patch', patch);
    // Codex finds the patch in the command and applies it itself.
    else this.#callTool('exec_command', { cmd: `apply_patch <<'EOF'\n${patch.trimEnd()}\nEOF` });
  }

  #callTool(name: string, args: Record<string, unknown>, server?: string): void {
    const namespace = server === undefined ? undefined : `mcp__${server}`;
    if (this.#request.codeMode) {
      const whole = namespace === undefined ? name : `${namespace}__${name}`;
      this.#exec(`text(await tools.${whole}(${JSON.stringify(args)}));`);
      return;
    }
    const call = { ...this.#call('function_call'), name, arguments: JSON.stringify(args) };
    this.#done(namespace === undefined ? call : { ...call, namespace });
  }

  #exec(input: string): void {
    this.#done({ ...this.#call('custom_tool_call'), name: 'exec', namespace: 'functions', input });
  }

  #callCustom(name: string, input: string): void {
    this.#done({ ...this.#call('custom_tool_call'), name, input });
  }

  #call(type: string) {
    const id = `${this.#id}_${this.#items}`;
    return { type, id: `ctc_${id}`, call_id: `call_${id}` };
  }

  #done(item: Record<string, unknown>): void {
    this.#send('response.output_item.done', { output_index: this.#items, item });
    this.#items += 1;
  }

  #complete(): void {
    const { model } = this.#request;
    const response = { id: `resp_${this.#id}`, model, usage: STAND_IN_USAGE };
    this.#send('response.completed', { response });
  }

  #send(type: string, data: Record<string, unknown>): void {
    this.#response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  }
}
