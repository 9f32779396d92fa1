const TABLE_ENTRIES: u32 = 256;
/** CRC-32 of each byte value; filled at first use. */
const table = memory.data(1024);
/** The polynomial of CRC-32 (ISO-HDLC, as in gzip), lowest power first. */
const POLYNOMIAL: u32 = 0xedb88320;

function fillTable(): void {
  for (let entry: u32 = 0; entry < TABLE_ENTRIES; entry++) {
    let crc = entry;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    store<u32>(table + (entry << 2), crc);
  }
}

/** CRC-32 of all bytes so far, given that of the bytes before (0 for none). */
export function crc32(before: u32, ptr: usize, len: i32): u32 {
  // The last entry is never 0 once the table is filled.
  if (load<u32>(table + ((TABLE_ENTRIES - 1) << 2)) == 0) fillTable();
  let crc = ~before;
  const end = ptr + len;
  while (ptr < end) {
    crc = (crc >> 8) ^ load<u32>(table + (((crc ^ load<u8>(ptr)) & 0xff) << 2));
    ptr++;
  }
  return ~crc;
}
