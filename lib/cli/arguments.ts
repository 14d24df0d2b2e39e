/**
 * The words of a command line, split into options and operands as `parseArgs` of
 * `node:util` does. Loading that takes 15 ms, a third of the time until the
 * program is ready.
 *
 * @module
 */

/** What has to be known of an option to split a command line. */
export interface OptionSyntax {
  /** Whether a value follows it. */
  readonly takesValue: boolean;
  /** The letter that is short for it. */
  readonly short?: string | undefined;
}

/** An option as it was written. */
export interface OptionToken {
  readonly kind: "option";
  /** Its long name, or the letter if that is short for none. */
  readonly name: string;
  /** With its dashes: `--port` or `-p`. */
  readonly rawName: string;
  /** Absent if none is given. */
  readonly value?: string | undefined;
}

/** A word that is no option. */
export interface OperandToken {
  readonly kind: "operand";
  readonly value: string;
}

/**
 * Splits the words: `--port 7`, `--port=7`, `-p 7`, `-p7`, `-qv`, and behind
 * `--` operands only. It judges nothing: an option that is not known is one
 * without a value.
 *
 * @param args The words.
 * @param options The options that are known, by their long names.
 */
export function* splitArguments(
  args: readonly string[],
  options: ReadonlyMap<string, OptionSyntax>,
): Generator<OptionToken | OperandToken> {
  const words = args.values();
  for (const word of words) {
    if (word === "--") yield* words.map(operand);
    else if (word.startsWith("--")) yield longOption(word, words, options);
    else if (word.startsWith("-") && word !== "-") {
      yield* shortOptions(word, words, options);
    } else yield operand(word);
  }
}

function operand(value: string): OperandToken {
  return { kind: "operand", value };
}

function longOption(
  word: string,
  following: Iterator<string>,
  options: ReadonlyMap<string, OptionSyntax>,
): OptionToken {
  const [rawName = "", ...rest] = word.split("=");
  const name = rawName.slice(2);
  const value = rest.length > 0
    ? rest.join("=")
    : valueOf(name, following, options);
  return { kind: "option", name, rawName, value };
}

/** Letters in one word; what follows one that takes a value is that value. */
function* shortOptions(
  word: string,
  following: Iterator<string>,
  options: ReadonlyMap<string, OptionSyntax>,
): Generator<OptionToken> {
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const known = options.entries().find(([, { short }]) => short === letter);
    const [name, { takesValue }] = known ?? [letter, { takesValue: false }];
    const attached = takesValue ? word.slice(at + 1) : "";
    const value = attached || valueOf(name, following, options);
    yield { kind: "option", name, rawName: `-${letter}`, value };
    if (attached) return;
  }
}

/** The next word, where the option takes a value. */
function valueOf(
  name: string,
  following: Iterator<string>,
  options: ReadonlyMap<string, OptionSyntax>,
): string | undefined {
  return options.get(name)?.takesValue ? following.next().value : undefined;
}
