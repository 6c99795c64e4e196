const WRAPPER = /^(?:\S*\/)?(?:ba|z|da)?sh -l?c (.+)$/s;

/** One shell word of quoted and plain pieces; a blank outside quotes would end it. */
const WORD = /^(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])+$/s;
const PIECES = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)/gs;

/** `/bin/bash -lc 'echo hi'` as `echo hi`; a command without that wrapper stays as it is. */
export function unwrapShell(command: string): string {
  const script = WRAPPER.exec(command)?.[1];
  if (script === undefined || !WORD.test(script)) return command;
  return script.replace(PIECES, (_, single, double, escaped, plain) => {
    return single ?? double?.replace(/\\([$`"\\])/g, '$1') ?? escaped ?? plain;
  });
}
