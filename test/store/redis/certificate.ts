/** A self-signed certificate for localhost, as in RFC 5280 section 4.1, for tests of TLS. */
import { generateKeyPairSync, sign } from "node:crypto";

export interface Certificate {
  /** PEM */
  certificate: string;
  key: string;
}

const SEQUENCE = 0x30;
const OID_ECDSA_WITH_SHA256 = "2a8648ce3d040302";
const OID_COMMON_NAME = "550403";
const OID_SUBJECT_ALT_NAME = "551d11";

/** Valid for an hour, for the name localhost and the address 127.0.0.1. */
export function selfSigned(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(SEQUENCE, oid(OID_ECDSA_WITH_SHA256));
  const commonName = der(SEQUENCE, oid(OID_COMMON_NAME), der(0x0c, Buffer.from("localhost")));
  const name = der(SEQUENCE, der(0x31, commonName));
  const validity = der(SEQUENCE, utcTime(-60_000), utcTime(3_600_000));
  const names = der(
    SEQUENCE,
    der(0x82, Buffer.from("localhost")),
    der(0x87, Buffer.from([127, 0, 0, 1])),
  );
  const extension = der(SEQUENCE, oid(OID_SUBJECT_ALT_NAME), der(0x04, names));
  const toSign = der(
    SEQUENCE,
    der(0xa0, integer(2)),
    ...[integer(1), algorithm, name, validity, name],
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(SEQUENCE, extension)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign("sha256", toSign, privateKey)]);
  const base64 = der(SEQUENCE, toSign, algorithm, der(0x03, signature)).toString("base64");
  const lines = base64.replace(/.{64}/g, "$&\n").trim();
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** Tag, length, value. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  const size = length < 128 ? [length] : long;
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function integer(small: number): Buffer {
  return der(0x02, Buffer.from([small]));
}

/** UTCTime, YYMMDDHHMMSSZ, so many ms from now. */
function utcTime(fromNowMs: number): Buffer {
  const digits = new Date(Date.now() + fromNowMs).toISOString().replace(/\D/g, "");
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`));
}
