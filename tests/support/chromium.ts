/**
 * A real browser: Chromium, as Debian installs it.
 *
 * @module
 */

import type { Browser } from "playwright-core";
import { PROGRAM } from "./program.ts";

/** Where it may be. */
const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/** It asks nobody for anything. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Chromium's path; undefined where it is missing or may not be used. */
export const CHROMIUM: string | undefined = await find();

async function find(): Promise<string | undefined> {
  if (!PROGRAM) return undefined;
  for (const path of PATHS) {
    try {
      await Deno.stat(path);
      return path;
    } catch {
      // It is not there.
    }
  }
}

/** Starts it. */
export async function startChromium(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  return await chromium.launch({ executablePath: CHROMIUM!, args: QUIET });
}
