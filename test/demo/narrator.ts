import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const WIDEST = 96;
const BAR_WIDTH = 28;

/** Writes for a person who watches. Colors only where the terminal has them and NO_COLOR is unset. */
export class Narrator {
  readonly #startedAt = performance.now();

  title(text: string, subtitle: string): void {
    this.#line(`\n  ${styleText('bold', text)}  ${styleText('dim', subtitle)}`);
  }

  /** A step of the story, such as `1 Plan`. */
  chapter(name: string, explanation = ''): void {
    this.#line(`\n  ${styleText(['bold', 'cyan'], name)}  ${styleText('dim', explanation)}`);
  }

  say(text: string): void {
    for (const line of wrap(text, this.#width - 4)) this.#line(`    ${line}`);
  }

  notice(text: string): void {
    for (const line of wrap(text, this.#width - 4))
      this.#line(`  ${styleText('yellow', `! ${line}`)}`);
  }

  failure(text: string): void {
    const [first = '', ...rest] = wrap(text, this.#width - 4);
    this.#line(`\n  ${styleText('red', '✗')} ${first}`);
    for (const line of rest) this.#line(`    ${line}`);
  }

  success(text: string): void {
    this.#line(`\n  ${styleText('green', '✓')} ${text}`);
  }

  /** What happens right now, with the time since the demo began. */
  progress(text: string): void {
    const clock = seconds(performance.now() - this.#startedAt).padStart(7);
    const room = this.#width - clock.length - 5;
    this.#line(styleText('dim', `  ${clock}  ${shorten(text, room)}`));
  }

  heading(text: string): void {
    this.#line(`\n    ${styleText('bold', text)}`);
  }

  list(items: readonly string[], mark: (index: number) => string = () => '·'): void {
    for (const [index, item] of items.entries()) {
      const [first = '', ...rest] = wrap(item, this.#width - 8);
      this.#line(`    ${styleText('dim', mark(index).padStart(2))} ${first}`);
      for (const line of rest) this.#line(`       ${line}`);
    }
  }

  fact(name: string, value: string): void {
    const [first = '', ...rest] = wrap(value, this.#width - 20);
    this.#line(`    ${styleText('dim', name.padEnd(14))} ${first}`);
    for (const line of rest) this.#line(`${' '.repeat(19)}${line}`);
  }

  /** A unified diff as git prints it. */
  diff(text: string): void {
    const lines = text.trimEnd().split('\n');
    for (const line of lines) this.#line(`    ${styleText(diffStyle(line), line)}`);
  }

  score(name: string, score: number): void {
    const style: Style = score >= 8 ? 'green' : score >= 5 ? 'yellow' : 'red';
    const bar = '■'.repeat(score) + '□'.repeat(10 - score);
    this.#line(`    ${name.padEnd(16)} ${styleText(style, bar)} ${score}/10`);
  }

  /** A duration, drawn to the scale of the longest one. */
  duration(name: string, milliseconds: number, longest: number): void {
    const length = Math.max(1, Math.round((milliseconds / longest) * BAR_WIDTH));
    const bar = styleText('cyan', '▬'.repeat(length)) + ' '.repeat(BAR_WIDTH - length);
    this.#line(`    ${name.padEnd(28)} ${bar} ${seconds(milliseconds).padStart(7)}`);
  }

  get #width(): number {
    return Math.min(process.stdout.columns ?? WIDEST, WIDEST);
  }

  #line(text: string): void {
    process.stdout.write(`${text.trimEnd()}\n`);
  }
}

export function seconds(milliseconds: number): string {
  if (milliseconds < 100) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function diffStyle(line: string): Style {
  if (/^(?:diff|index|new file|deleted file|---|\+\+\+)/.test(line)) return 'bold';
  if (line.startsWith('@@')) return 'cyan';
  if (line.startsWith('+')) return 'green';
  return line.startsWith('-') ? 'red' : 'reset';
}

function shorten(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + word.length >= width) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}
