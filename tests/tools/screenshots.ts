/**
 * Writes what the admin page looks like, after five minutes of a server with
 * numbers that move: in the light and in the dark, wide and narrow.
 *
 *     deno run --allow-all tests/tools/screenshots.ts DIRECTORY
 *
 * @module
 */

import { contentSecurityPolicy, PAGE } from "../../lib/admin/page.ts";
import { Updates } from "../../lib/admin/updates.ts";
import { startChromium } from "../support/chromium.ts";
import { FakeAdminSource } from "../support/fake_admin_source.ts";

const MINUTES = 5;
const WIDTHS = [1000, 400];
const SCHEMES = ["light", "dark"] as const;

/** The updates of some minutes, all at once. */
async function minutes(draining: boolean): Promise<string> {
  const source = new FakeAdminSource();
  let now = 0;
  const updates = new Updates(source, () => now);
  let events = "";
  for (now = 1; now <= MINUTES * 60; now++) {
    source.draining = draining && now > MINUTES * 60 - 3;
    events += `data: ${JSON.stringify(await updates.next())}\n\n`;
  }
  return events;
}

/** Serves the page with a stream that stays open. */
async function serve(
  draining: boolean,
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const events = new TextEncoder().encode(await minutes(draining));
  const policy = await contentSecurityPolicy();
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      url.endsWith("/events")
        ? new Response(
          new ReadableStream({ start: (stream) => stream.enqueue(events) }),
          { headers: { "Content-Type": "text/event-stream" } },
        )
        : new Response(PAGE, {
          headers: {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
          },
        }),
  );
}

async function main(directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const browser = await startChromium();
  for (const state of ["ready", "draining", "lost"]) {
    const server = await serve(state === "draining");
    for (const width of WIDTHS) {
      for (const colorScheme of SCHEMES) {
        const page = await browser.newPage({
          viewport: { width, height: 800 },
          deviceScaleFactor: 2,
          colorScheme,
        });
        page.on("console", (message) => console.error(message.text()));
        await page.goto(`http://127.0.0.1:${server.addr.port}/`);
        await page.locator(`body[data-state="${state}"]`).waitFor();
        await page.screenshot({
          path: `${directory}/${state}-${width}-${colorScheme}.png`,
          fullPage: true,
        });
        await page.close();
      }
    }
    await server.shutdown();
  }
  await browser.close();
}

if (import.meta.main) {
  const [directory] = Deno.args;
  if (directory === undefined) {
    console.error("Say where to: screenshots.ts DIRECTORY");
    Deno.exit(2);
  }
  await main(directory);
}
