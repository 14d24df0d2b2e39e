/**
 * Text for one line of a log or an error, whatever it is made of.
 *
 * @module
 */

/** What went wrong, as one phrase, whatever was thrown. */
export function reasonOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return String(error);
    return String(error.message) || String(error.name);
  } catch {
    // For example Object.create(null), or a getter that throws.
    return `something without a text (${typeof error})`;
  }
}

/** The same, without what only a programmer understands. */
export function plainReasonOf(error: unknown): string {
  return reasonOf(error).replace(/ \(os error \d+\).*/s, "");
}

/** Nothing that comes from outside may end a line, or steer a terminal. */
export function escapeControls(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Breaks text between words, so that it fits. */
export function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}
