/**
 * The live page: one document that needs nothing from anywhere else.
 *
 * @module
 */

import type { Ending, RejectReason } from "../telemetry/events.ts";
import { SCRIPT } from "./page_script.ts";
import { STYLE } from "./page_style.ts";

// Tagged so that it is formatted as what it is.
const html = String.raw;

const ENDING_NOTES: Record<Ending, string> = {
  closed: "after the client’s end of input",
  reset: "by the client or the network",
  failed: "by an error in the handler",
  idle: "no byte moved for the idle timeout",
  drained: "in a shutdown, with everything given back",
  deadline: "in a shutdown, out of time",
};

const REASON_NOTES: Record<RejectReason, string> = {
  access: "an address that is not allowed",
  per_address: "too many from one address",
  proxy: "a bad or missing PROXY header",
  handshake: "a failed TLS handshake",
};

/** Sound that comes back, in the colour of the text around it. */
const MARK = html`
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" fill="none"
    stroke="currentColor" stroke-width="2.25" stroke-linecap="round">
    <circle cx="7" cy="16" r="2.5" fill="currentColor" />
    <path
      d="M13 10a8.5 8.5 0 0 1 0 12M18.5 6a14.5 14.5 0 0 1 0 20M24 2.5a20 20 0 0 1 0 27" />
  </svg>
`;

const ICON = `data:image/svg+xml,${
  encodeURIComponent(
    MARK.trim().replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
      .replaceAll("currentColor", "#0b9486"),
  )
}`;

function countRows(notes: Record<string, string>): string {
  return Object.entries(notes).map(([key, note]) =>
    html`
      <tr data-key="${key}">
        <th scope="row">${key.replaceAll("_", " ")}<small>${note}</small></th>
        <td class="none">0</td>
      </tr>
    `
  ).join("");
}

/** The document. */
export const PAGE: string = html`
  <!DOCTYPE html>
  <html lang="en">
    <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>echoserver</title>
      <link rel="icon" href="${ICON}">
      <style>${STYLE}</style>
    </head>
    <body>
      <header>${MARK}
        <div><h1 id="name">echoserver</h1><p id="about">Connecting</p></div>
        <p id="state" role="status">Connecting</p>
      </header>
      <p id="notice" role="status"></p>
      <noscript><p>This page needs JavaScript. <a href="metrics">The metrics</a> do not.</p></noscript>
      <main>
        <dl class="figures">
          <div>
            <dt>Open connections</dt>
            <dd id="open" class="figure"><span>–</span><small></small></dd>
            <dd><small id="accepted"></small></dd>
          </div>
          <div>
            <dt>New connections</dt>
            <dd id="fresh" class="figure"><span>–</span><small></small></dd>
            <dd><small id="aborted"></small></dd>
          </div>
          <div>
            <dt class="key received">Received</dt>
            <dd id="received" class="figure"><span>–</span><small></small></dd>
            <dd><small id="received-all"></small></dd>
          </div>
          <div>
            <dt class="key sent">Sent</dt>
            <dd id="sent" class="figure"><span>–</span><small></small></dd>
            <dd><small id="sent-all"></small></dd>
          </div>
        </dl>
        <figure>
          <figcaption
            class="axis"><span>Received above the line, sent below</span><span id="scale"></span></figcaption>
          <svg id="graph" role="img" aria-label="Bytes a second"
            viewBox="0 0 300 100" preserveAspectRatio="none">
            <g class="received">
              <path id="received-area" class="area" />
              <path id="received-line" class="line" />
            </g>
            <g class="sent">
              <path id="sent-area" class="area" />
              <path id="sent-line" class="line" />
            </g>
            <path class="zero" d="M0,50H300" />
          </svg>
          <p class="axis"><span>5 minutes ago</span><span>now</span></p>
        </figure>
        <section>
          <table>
            <caption>
              <h2>Listeners</h2>
            </caption>
            <thead>
              <tr>
                <th scope="col">Address</th>
                <th scope="col">Open</th>
                <th scope="col">Received</th>
                <th scope="col">Sent</th>
              </tr>
            </thead>
            <tbody id="listeners"></tbody>
          </table>
        </section>
        <div class="pair">
          <section>
            <table>
              <caption>
                <h2>How connections ended</h2>
              </caption>
              <tbody id="closed">${countRows(ENDING_NOTES)}</tbody>
            </table>
          </section>
          <section>
            <table>
              <caption>
                <h2>Rejected for</h2>
              </caption>
              <tbody id="rejected">${countRows(REASON_NOTES)}</tbody>
            </table>
          </section>
        </div>
        <section>
          <table>
            <caption><h2>Busiest open connections</h2><small id="searched"></small></caption>
            <thead>
              <tr>
                <th scope="col">Client</th>
                <th scope="col">Rate</th>
                <th scope="col" class="wide">Received</th>
                <th scope="col" class="wide">Sent</th>
                <th scope="col">Open for</th>
              </tr>
            </thead>
            <tbody id="busiest"></tbody>
          </table>
          <p id="nobody" class="none">No connection is open.</p>
        </section>
      </main>
      <footer><a href="metrics">Metrics</a><a href="connections">Connections</a><a href="readyz">Readiness</a></footer>
      <script type="module">${SCRIPT}</script>
    </body>
  </html>
`.trimStart();

/** Allows what the document brings along, its own server, and nothing else. */
export async function contentSecurityPolicy(): Promise<string> {
  return [
    "default-src 'none'",
    `script-src '${await hashOf(SCRIPT)}'`,
    `style-src '${await hashOf(STYLE)}'`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

async function hashOf(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `sha256-${new Uint8Array(hash).toBase64()}`;
}
