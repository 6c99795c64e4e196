const WRAPPER = /^(?:\S*\/)?(?:ba|z|da)?sh -l?c (.+)$/s;

/** One shell word of quoted and plain pieces. */
const WORD = /^(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])+$/s;
const PIECES = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)/gs;

/** Turns `/bin/bash -lc 'echo hi'` into `echo hi`; returns any other command unchanged. */
export function unwrapShell(command: string): string {
  const script = WRAPPER.exec(command)?.[1];
  if (script === undefined || !WORD.test(script)) return command;
  return script.replace(PIECES, (_, single, double, escaped, plain) => {
    return single ?? double?.replace(/\\([$`"\\])/g, '$1') ?? escaped ?? plain;
  });
}
