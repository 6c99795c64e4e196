/** Longest word that is dropped whole. */
const WORD_CHARACTERS = 512;

/** The beginning of a text, cut before a word: half a word may be half a secret. */
export function beginningInWords(text: string, characters: number): string {
  if (text.length <= characters) return text;
  let end = characters;
  while (end > characters - WORD_CHARACTERS && !isSpace(text, end)) end -= 1;
  return text.slice(0, isSpace(text, end) ? end : characters);
}

/** The end of a text, cut after a word. */
export function endInWords(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const cut = text.length - characters;
  let start = cut;
  while (start < cut + WORD_CHARACTERS && !isSpace(text, start)) start += 1;
  return text.slice(isSpace(text, start) ? start : cut);
}

function isSpace(text: string, index: number): boolean {
  return /\s/.test(text.charAt(index));
}
