/**
 * What the admin server of the program tells.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Program, until } from "./program.ts";

/** Where the program's admin server is, such as `http://127.0.0.1:9090`. */
export async function adminOf(program: Program): Promise<string> {
  const [, url] = await program.saw(/admin listening on (\S+)\n/);
  return url!;
}

/** Fetches a path, and its text. */
export async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  const body = await response.text();
  assert.equal(response.status, 200, body);
  return body;
}

/** The values of `/metrics`, each by the name and labels that it stands behind. */
export class Metrics {
  /** As it was fetched. */
  readonly text: string;
  readonly #values: Map<string, number>;

  private constructor(text: string) {
    this.text = text;
    this.#values = new Map(
      text.split("\n").filter((line) => line && !line.startsWith("#")).map(
        (line) => {
          const at = line.lastIndexOf(" ");
          return [line.slice(0, at), Number(line.slice(at + 1))];
        },
      ),
    );
  }

  /** Fetches them from the program's admin server. */
  static async of(program: Program): Promise<Metrics> {
    const admin = await adminOf(program);
    return new Metrics(await fetchText(`${admin}/metrics`));
  }

  /** Fetches them until they are as they should be. */
  static until(
    program: Program,
    isRight: (metrics: Metrics) => boolean,
  ): Promise<Metrics> {
    return until(async () => {
      const metrics = await Metrics.of(program);
      return isRight(metrics) ? metrics : assert.fail(metrics.text);
    });
  }

  /**
   * The sum of all samples of a metric, its `echoserver_` left out, that have
   * these labels.
   */
  sum(name: string, labels: Record<string, string> = {}): number {
    const wanted = Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`);
    let sum = 0;
    for (const [sample, value] of this.#values) {
      const [, found, rest = ""] = sample.match(
        /^echoserver_(\w+)(?:\{(.*)\})?$/,
      )!;
      if (found === name && wanted.every((label) => rest.includes(label))) {
        sum += value;
      }
    }
    return sum;
  }
}
