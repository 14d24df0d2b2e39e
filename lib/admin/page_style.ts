/**
 * How the page looks: calm, in the light and in the dark, from 320 pixels up.
 *
 * @module
 */

// Tagged so that it is formatted as what it is.
const css = String.raw;

/** The page's style sheet. */
export const STYLE: string = css`
  :root {
    color-scheme: light dark;
    --paper: #fbfaf7;
    --ink: #1c1f22;
    --muted: #5d6268;
    --rule: #e2dfd8;
    --tint: #f1efe9;
    --bar: #a9a698;
    --received: #0b766c;
    --sent: #5059b0;
    --good: #1a7f45;
    --warn: #9a5b00;
    --bad: #b3261e;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --paper: #14171a;
      --ink: #e7e5df;
      --muted: #9ba1a7;
      --rule: #2b3036;
      --tint: #1e2327;
      --bar: #6b747c;
      --received: #4cc9b8;
      --sent: #9ea8ff;
      --good: #5fd38d;
      --warn: #f0b45a;
      --bad: #ff8f86;
    }
  }
  * {
    box-sizing: border-box;
    margin: 0;
  }
  body {
    max-width: 60rem;
    margin: 0 auto;
    padding: 2.5rem 1.5rem 2rem;
    background: var(--paper);
    color: var(--ink);
    font: 1rem/1.5 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  header {
    display: flex;
    align-items: center;
    gap: 0.875rem;
  }
  header div {
    flex: 1;
    min-width: 0;
  }
  .mark {
    flex: none;
    width: 2.75rem;
    color: var(--received);
  }
  h1 {
    font-size: 1.375rem;
    font-weight: 650;
    line-height: 1.2;
    letter-spacing: -0.015em;
    overflow-wrap: anywhere;
  }
  #about,
  small,
  footer,
  figcaption,
  .axis,
  dt,
  dd small {
    color: var(--muted);
    font-size: 0.8125rem;
  }
  #state {
    flex: none;
    display: flex;
    align-items: center;
    gap: 0.5rem;
    padding: 0.25rem 0.875rem 0.25rem 0.75rem;
    border: 1px solid var(--rule);
    border-radius: 2rem;
    color: var(--shade, var(--muted));
    font-size: 0.875rem;
    font-weight: 600;
  }
  #state::before {
    content: "";
    width: 0.5rem;
    height: 0.5rem;
    border-radius: 50%;
    background: currentColor;
  }
  [data-state="ready"] {
    --shade: var(--good);
  }
  [data-state="draining"] {
    --shade: var(--warn);
  }
  [data-state="lost"] {
    --shade: var(--bad);
  }
  #notice {
    margin-top: 1.25rem;
    padding: 0.5rem 0.875rem;
    border-left: 3px solid var(--shade);
    background: var(--tint);
    font-size: 0.875rem;
  }
  #notice:empty {
    display: none;
  }
  /* What is old is still told, but does not look new. */
  body[data-state="lost"] main {
    filter: grayscale(1);
  }
  .figures {
    display: grid;
    grid-template-columns: repeat(4, 1fr);
    gap: 1.25rem 1.5rem;
    margin-top: 2.25rem;
  }
  dd {
    margin: 0;
  }
  .figure {
    font-size: 1.875rem;
    font-weight: 600;
    line-height: 1.25;
    letter-spacing: -0.025em;
    white-space: nowrap;
  }
  .figure small {
    margin-left: 0.2em;
    font-size: 0.9375rem;
    font-weight: 500;
    letter-spacing: 0;
  }
  .key::before {
    content: "";
    display: inline-block;
    width: 0.625rem;
    height: 0.625rem;
    margin-right: 0.4rem;
    border-radius: 2px;
    background: var(--hue);
  }
  .received {
    --hue: var(--received);
  }
  .sent {
    --hue: var(--sent);
  }
  figure {
    margin-top: 1.75rem;
  }
  figure svg {
    display: block;
    width: 100%;
    height: 11rem;
    border-block: 1px solid var(--rule);
  }
  .area {
    fill: var(--hue);
    opacity: 0.16;
  }
  .line {
    fill: none;
    stroke: var(--hue);
    stroke-width: 1.5;
    stroke-linejoin: round;
    vector-effect: non-scaling-stroke;
  }
  .zero {
    stroke: var(--rule);
    vector-effect: non-scaling-stroke;
  }
  .axis {
    display: flex;
    justify-content: space-between;
    gap: 1rem;
    padding: 0.25rem 0;
  }
  section {
    margin-top: 2.25rem;
  }
  .pair {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 0 3rem;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.9375rem;
  }
  caption {
    padding-bottom: 0.25rem;
    text-align: left;
  }
  h2 {
    font-size: 1.0625rem;
    font-weight: 650;
    letter-spacing: -0.01em;
  }
  th,
  td {
    padding: 0.5rem 0 0.5rem 1rem;
    border-bottom: 1px solid var(--rule);
    text-align: right;
    vertical-align: top;
    font-weight: 400;
    white-space: nowrap;
  }
  th:first-child,
  td:first-child {
    padding-left: 0;
    text-align: left;
    white-space: normal;
  }
  thead th {
    padding-block: 0.125rem;
    color: var(--muted);
    font-size: 0.8125rem;
  }
  /* The rule below a row is drawn as far as its share goes. */
  tbody tr {
    background: linear-gradient(var(--bar), var(--bar)) no-repeat
      0 100% / var(--share, 0) 2px;
  }
  tbody small:not(:empty) {
    display: block;
    line-height: 1.35;
  }
  .address {
    overflow-wrap: anywhere;
  }
  .address span {
    word-break: break-all;
    font: 0.875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  }
  .none {
    color: var(--muted);
  }
  footer {
    margin-top: 2.5rem;
    padding-top: 0.75rem;
    border-top: 1px solid var(--rule);
  }
  footer a {
    margin-right: 1rem;
    color: inherit;
  }
  a:focus-visible {
    outline: 2px solid var(--received);
    outline-offset: 3px;
  }
  @media (max-width: 40rem) {
    body {
      padding: 1.25rem 1rem 1.5rem;
    }
    .figures {
      grid-template-columns: 1fr 1fr;
      margin-top: 1.5rem;
    }
    .pair {
      grid-template-columns: 1fr;
    }
    figure svg {
      height: 9rem;
    }
    table {
      font-size: 0.875rem;
    }
    th,
    td {
      padding-left: 0.625rem;
    }
    .address span {
      font-size: 0.8125rem;
    }
    .wide {
      display: none;
    }
  }
`;
