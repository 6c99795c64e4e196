/** Something that a malicious model or repository tries by a command in its container. */
export type Attempt = {
  /** As docs/security.md names it. */
  name: string;
  command: string;
  /** What its output must have: the denial, in the words of whoever denies. */
  denied: RegExp;
  /** What `list_egress` must tell of it. */
  recorded?: { host: string; reason: string };
};

export type Outcome = { output: string; exitCode: number };

/** Far more than a denial takes, and less than a hanging attempt would. */
const SECONDS = 6;
const OUTPUT_BYTES = 700;

/** One command that makes all attempts one after another and prints what came of each. */
export function commandOf(attempts: readonly Attempt[], env: Record<string, string> = {}): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);
  const lines = attempts.map(({ command }, index) => {
    const script = `try() { timeout -k 1 ${SECONDS} bash -c "$(echo ${base64(command)} | base64 -d)"; }`;
    return `${script}
printf '\\n@@ ${index} '; try 2>&1 </dev/null | head -c ${OUTPUT_BYTES} | tr '\\0' ' '; echo " @exit \${PIPESTATUS[0]}"`;
  });
  return [...exports, ...lines, "printf '\\n@@ end'"].join('\n');
}

/** Reads what such a command printed: what came of each attempt, in their order. */
export function outcomesOf(output: string): Outcome[] {
  return [...output.matchAll(/^@@ \d+ ([\s\S]*?) @exit (\d+)$/gm)].map(([, said = '', status]) => ({
    output: said,
    exitCode: Number(status),
  }));
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
