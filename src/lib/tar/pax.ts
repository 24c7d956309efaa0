import { TarError } from './header.ts'

const BLANK = 0x20
const EQUALS = 0x3d

/** The records of an extended header, `<length> <key>=<value>\n`; the last of a key counts. Keys and values are
 *  byte strings. POSIX.1-2001, "pax Extended Header".
 *  @throws TarError */
export function parsePaxRecords(content: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < content.length; ) {
    const blank = content.subarray(at, at + MAX_DIGITS + 1).indexOf(BLANK)
    const digits = content.toString('latin1', at, at + Math.max(0, blank))
    const end = at + Number(digits)
    const start = at + blank + 1
    if (!/^[0-9]+$/.test(digits) || end <= start || end > content.length) throw malformed()
    const equals = content.subarray(start, end - 1).indexOf(EQUALS)
    if (equals < 0) throw malformed()
    const key = content.toString('latin1', start, start + equals)
    records.set(key, content.toString('latin1', start + equals + 1, end - 1))
    at = end
  }
  return records
}

/** Of a record's length. */
const MAX_DIGITS = 10

function malformed(): TarError {
  return new TarError('has a malformed extended header')
}
