import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { LF } from "../../../lib/lines/line_feed.ts";
import { LineStream } from "../../../lib/mod.ts";
import { chunks, joined, limits } from "../../support/chunks.ts";
import { bytes, text } from "../../support/client.ts";

/** What comes out while a stream is open, and what its close adds. */
async function through(
  input: Uint8Array[],
  maxLineLength: number,
): Promise<{ open: Uint8Array[]; closed: Uint8Array[] }> {
  const lines = new LineStream({ maxLineLength });
  const writer = lines.writable.getWriter();
  const out: Uint8Array[] = [];
  const reading = lines.readable.pipeTo(
    new WritableStream({ write: (chunk) => void out.push(chunk) }),
  );
  for (const chunk of input) await writer.write(chunk);
  await turn();
  const open = out.splice(0);
  await writer.close();
  await reading;
  return { open, closed: out };
}

/** The length, LF not counted, of the line that the byte at `index` is in. */
function lineLengthAt(all: Uint8Array, index: number): number {
  const start = index === 0 ? 0 : all.lastIndexOf(LF, index - 1) + 1;
  const end = all.indexOf(LF, index);
  return (end < 0 ? all.length : end) - start;
}

async function textsOut(input: string[], maxLineLength = 65_536) {
  const { open, closed } = await through(input.map(bytes), maxLineLength);
  return { open: open.map(text), closed: closed.map(text) };
}

Deno.test("LineStream gives out all bytes in order, whatever the chunks and the limit", () =>
  fc.assert(fc.asyncProperty(chunks, limits, async (input, limit) => {
    const { open, closed } = await through(input, limit);
    assert.deepEqual(joined([...open, ...closed]), joined(input));
  })));

Deno.test("LineStream gives out whole lines, and pieces only of a line beyond the limit", () =>
  fc.assert(fc.asyncProperty(chunks, limits, async (input, limit) => {
    const all = joined(input);
    const { open } = await through(input, limit);
    let end = 0;
    for (const chunk of open) {
      assert.notEqual(chunk.length, 0);
      end += chunk.length;
      if (chunk.at(-1) === LF) continue;
      assert.ok(lineLengthAt(all, end - 1) > limit);
    }
  })));

Deno.test("LineStream holds no whole line, and no more than the limit", () =>
  fc.assert(fc.asyncProperty(chunks, limits, async (input, limit) => {
    const { closed } = await through(input, limit);
    assert.ok(closed.length <= 1);
    const held = joined(closed);
    assert.ok(held.length <= limit);
    assert.equal(held.includes(LF), false);
  })));

Deno.test("LineStream never touches a chunk that it has given out", () =>
  fc.assert(fc.asyncProperty(chunks, limits, async (input, limit) => {
    const all = joined(input);
    const lines = new LineStream({ maxLineLength: limit });
    const out: Uint8Array[] = [];
    const reading = lines.readable.pipeTo(
      new WritableStream({
        write(chunk) {
          out.push(chunk.slice());
          structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
        },
      }),
    );
    const writer = lines.writable.getWriter();
    for (const chunk of input) {
      await writer.write(chunk);
      chunk.fill(0xff);
    }
    await writer.close();
    await reading;
    assert.deepEqual(joined(out), all);
  })));

Deno.test("LineStream keeps LF, CR, NUL and invalid UTF-8 as they are", async () => {
  const line = Uint8Array.of(0x00, 0xff, 0xc3, 0x28, 0x0d, LF);
  const { open } = await through([line], 100);
  assert.deepEqual(open, [line]);
});

Deno.test("LineStream holds an unterminated tail until the stream closes", async () => {
  assert.deepEqual(await textsOut(["one\ntw", "o", "\nthr", "ee"]), {
    open: ["one\n", "two\n"],
    closed: ["three"],
  });
});

Deno.test("LineStream gives out all lines of a chunk in one", async () => {
  assert.deepEqual(await textsOut(["a\nb\n\nc\nd"]), {
    open: ["a\nb\n\nc\n"],
    closed: ["d"],
  });
});

Deno.test("LineStream holds a line of just the limit, LF not counted", async () => {
  assert.deepEqual(await textsOut(["abcd", "\nabcd"], 4), {
    open: ["abcd\n"],
    closed: ["abcd"],
  });
});

Deno.test("LineStream gives out a line beyond the limit in pieces", async () => {
  assert.deepEqual(await textsOut(["abc", "de", "f\ng"], 4), {
    open: ["abcde", "f\n"],
    closed: ["g"],
  });
});

Deno.test("LineStream holds 65536 bytes of a line by default", async () => {
  const lines = new LineStream();
  const writer = lines.writable.getWriter();
  const reader = lines.readable.getReader();
  const read = reader.read();
  await writer.write(new Uint8Array(65_536));
  await writer.write(bytes("\n"));
  assert.equal((await read).value?.length, 65_537);
});

Deno.test("LineStream gives out nothing of an empty stream", async () => {
  assert.deepEqual(await textsOut([]), { open: [], closed: [] });
  assert.deepEqual(await textsOut([""]), { open: [], closed: [] });
});

Deno.test("LineStream is a TransformStream", () => {
  const lines = new LineStream();
  assert.ok(lines instanceof TransformStream);
  assert.ok(lines.readable instanceof ReadableStream);
  assert.ok(lines.writable instanceof WritableStream);
  assert.equal(lines.readable, lines.readable);
  assert.equal(lines.writable, lines.writable);
  assert.equal(String(lines), "[object TransformStream]");
});

Deno.test("LineStream works in the middle of any pipe", async () => {
  const out = ReadableStream.from(["one\ntw", "o\nthr", "ee"])
    .pipeThrough(new TextEncoderStream())
    .pipeThrough(new CompressionStream("gzip"))
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(new LineStream())
    .pipeThrough(new LineStream({ maxLineLength: 1 }))
    .pipeThrough(new TextDecoderStream());
  assert.equal((await Array.fromAsync(out)).join(""), "one\ntwo\nthree");
});

Deno.test("LineStream can be subclassed", async () => {
  class Counted extends LineStream {
    chunks = 0;
    override get readable() {
      const count = new TransformStream<
        Uint8Array<ArrayBuffer>,
        Uint8Array<ArrayBuffer>
      >({
        transform: (chunk, controller) => {
          this.chunks++;
          controller.enqueue(chunk);
        },
      });
      return super.readable.pipeThrough(count);
    }
  }
  const lines = new Counted();
  await Array.fromAsync(
    ReadableStream.from([bytes("a\n"), bytes("b")]).pipeThrough(lines),
  );
  assert.equal(lines.chunks, 2);
});

for (
  const chunk of [
    "text",
    new ArrayBuffer(1),
    new Uint16Array(1),
    7,
    null,
  ] as unknown[]
) {
  Deno.test(`LineStream refuses a chunk of ${Deno.inspect(chunk)}`, async () => {
    const lines = new LineStream();
    const writing = lines.writable.getWriter().write(chunk as Uint8Array);
    const reading = lines.readable.getReader().read();
    await assert.rejects(writing, TypeError);
    await assert.rejects(reading, /LineStream takes chunks of type Uint8Array/);
  });
}

for (const limit of [0, -1, 1.5, NaN, Infinity, 16_777_217, "10", null]) {
  Deno.test(`LineStream refuses a limit of ${Deno.inspect(limit)}`, () => {
    assert.throws(() => new LineStream({ maxLineLength: limit as number }), {
      name: "RangeError",
      message: /^maxLineLength must be a whole number from 1 to 16777216, not /,
    });
  });
}

Deno.test("LineStream takes the smallest and the largest limit", () => {
  new LineStream({ maxLineLength: 1 });
  new LineStream({ maxLineLength: 16_777_216 });
  new LineStream({});
});

Deno.test("LineStream takes no more than one chunk that nobody reads", async () => {
  const lines = new LineStream();
  const writer = lines.writable.getWriter();
  const reader = lines.readable.getReader();
  const written = writer.write(bytes("one\n"));
  assert.equal(writer.desiredSize, 0);
  await reader.read();
  await written;
  const next = reader.read();
  await writer.ready;
  assert.equal(writer.desiredSize, 1);
  await Promise.all([writer.write(bytes("two\n")), next]);
});

Deno.test("LineStream fails its writer when its reader cancels", async () => {
  const lines = new LineStream();
  const writer = lines.writable.getWriter();
  const reason = new Error("enough");
  await lines.readable.cancel(reason);
  await assert.rejects(writer.write(bytes("one\n")), reason);
});

Deno.test("LineStream fails its reader when its writer aborts", async () => {
  const lines = new LineStream();
  const reading = lines.readable.getReader().read();
  const reason = new Error("no more");
  await Promise.all([
    lines.writable.abort(reason),
    assert.rejects(reading, reason),
  ]);
});
