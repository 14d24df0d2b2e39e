import assert from "node:assert/strict";
import { BlockList } from "node:net";
import fc from "fast-check";
import { formatIp } from "../../../lib/net/address.ts";
import { CidrSet, parseCidr } from "../../../lib/net/cidr.ts";

Deno.test("parseCidr reads blocks and addresses alone", () => {
  for (
    const [text, network, prefix] of [
      ["10.0.0.0/8", "10.0.0.0", 8],
      ["0.0.0.0/0", "0.0.0.0", 0],
      ["192.0.2.7", "192.0.2.7", 32],
      ["192.0.2.7/32", "192.0.2.7", 32],
      ["2001:db8::/32", "2001:db8::", 32],
      ["::/0", "::", 0],
      ["::1", "::1", 128],
    ] as const
  ) {
    const cidr = parseCidr(text);
    assert.equal(formatIp(cidr.network), network);
    assert.equal(cidr.prefix, prefix);
  }
});

Deno.test("parseCidr clears the bits behind the prefix", () => {
  assert.equal(formatIp(parseCidr("10.255.3.4/9").network), "10.128.0.0");
  assert.equal(formatIp(parseCidr("ffff::1/3").network), "e000::");
});

Deno.test("parseCidr takes IPv4-mapped blocks for the IPv4 ones", () => {
  assert.deepEqual(
    parseCidr("::ffff:192.0.2.7/120"),
    parseCidr("192.0.2.0/24"),
  );
  assert.deepEqual(parseCidr("::ffff:192.0.2.7"), parseCidr("192.0.2.7"));
  assert.deepEqual(parseCidr("::ffff:0:0/96"), parseCidr("0.0.0.0/0"));
  assert.deepEqual(parseCidr("::ffff:0:0/95"), parseCidr("::fffe:0:0/95"));
});

for (
  const [text, why] of [
    ["", "it must begin with an IP address"],
    ["localhost/8", "it must begin with an IP address"],
    ["10.0.0/8", "it must begin with an IP address"],
    ["010.0.0.0/8", "it must begin with an IP address"],
    [" 10.0.0.0/8", "it must begin with an IP address"],
    ["10.0.0.0/33", "its prefix must be a whole number up to 32"],
    ["10.0.0.0/", "its prefix must be a whole number up to 32"],
    ["10.0.0.0/08", "its prefix must be a whole number up to 32"],
    ["10.0.0.0/-1", "its prefix must be a whole number up to 32"],
    ["10.0.0.0/1e1", "its prefix must be a whole number up to 32"],
    ["10.0.0.0/8/8", "its prefix must be a whole number up to 32"],
    ["::/129", "its prefix must be a whole number up to 128"],
    ["::/1\n", "its prefix must be a whole number up to 128"],
  ] as const
) {
  Deno.test(`parseCidr refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseCidr(text), {
      name: "RangeError",
      message: `Cannot read a CIDR block: ${why}: ${JSON.stringify(text)}`,
    });
  });
}

Deno.test("CidrSet knows IPv4-mapped addresses as IPv4", () => {
  const set = new CidrSet(["192.0.2.0/24"]);
  assert.equal(set.has("::ffff:192.0.2.7"), true);
  assert.equal(set.has("::ffff:c000:207"), true);
  assert.equal(set.has("::ffff:192.0.3.7"), false);
});

Deno.test("CidrSet keeps the families apart", () => {
  assert.equal(new CidrSet(["::/0"]).has("0.0.0.0"), false);
  assert.equal(new CidrSet(["::/0"]).has("::ffff:1.2.3.4"), false);
  assert.equal(new CidrSet(["0.0.0.0/0"]).has("::1"), false);
});

Deno.test("CidrSet has nothing that is no IP address", () => {
  const all = new CidrSet(["0.0.0.0/0", "::/0"]);
  for (const text of ["", "localhost", "/run/echo.sock", "1.2.3"]) {
    assert.equal(all.has(text), false);
  }
});

Deno.test("CidrSet says what node:net's BlockList says", () => {
  // Few bits that matter, so that addresses are often near each other.
  const ip = (length: number) =>
    fc.array(fc.constantFrom(0, 1, 128, 255), {
      minLength: length,
      maxLength: length,
    });
  for (const [length, family] of [[4, "ipv4"], [16, "ipv6"]] as const) {
    const blocks = fc.array(
      fc.tuple(ip(length), fc.nat(length * 8)),
      { maxLength: 4 },
    );
    fc.assert(fc.property(blocks, ip(length), (blocks, address) => {
      const oracle = new BlockList();
      for (const [network, prefix] of blocks) {
        oracle.addSubnet(formatIp(network), prefix, family);
      }
      const set = new CidrSet(
        blocks.map(([network, prefix]) => `${formatIp(network)}/${prefix}`),
      );
      const text = formatIp(address);
      assert.equal(set.has(text), oracle.check(text, family));
    }));
  }
});
