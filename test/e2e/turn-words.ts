/** Resolves once the events of a turn have told something. */
export async function untilSaid(
  { url }: { url: string },
  turnId: string,
  words: RegExp,
): Promise<void> {
  const response = await fetch(`${url}/api/v1/turns/${turnId}/events`);
  let said = '';
  for await (const chunk of response.body ?? []) {
    said += Buffer.from(chunk).toString();
    if (words.test(said)) return;
  }
  throw new Error(`It never said ${words}: ${said}`);
}
