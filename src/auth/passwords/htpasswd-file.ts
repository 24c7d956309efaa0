/** The format of htpasswd files: a user and a hash a line. */

/** A line that can't be used. */
export interface LineProblem {
  /** Counted from 1. */
  readonly line: number
  readonly message: string
}

export interface PasswordFile {
  /** bcrypt hashes by user. */
  readonly hashes: ReadonlyMap<string, string>
  /** The highest cost factor of the hashes. */
  readonly highestCost: number
  readonly problems: readonly LineProblem[]
  /** Users that are locked explicitly. */
  readonly locked: ReadonlySet<string>
  /** True if the last line can't be used and has no line end: the file may be incomplete. */
  readonly isCutOff: boolean
}

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/** Cost factor of new hashes: some 50 ms. */
export const STANDARD_COST = 10
/** Limit of the cost factor; above it a login would take seconds. */
const MAX_COST = 16

/** Marks a locked user, in place of a hash, as in shadow(5). */
const LOCKED = /^[!*]/

/** Parses the file as Distribution does: empty lines and comments (`#`) are ignored, and a user's last line
 *  counts. Lines that can't be used are reported, and the others count. */
export function parsePasswordFile(text: string): PasswordFile {
  const hashes = new Map<string, string>()
  const locked = new Set<string>()
  const problems: LineProblem[] = []
  const lines = text.split('\n')
  for (const [index, written] of lines.entries()) {
    const object = (message: string) => problems.push({ line: index + 1, message })
    const line = written.trim()
    if (line === '' || line.startsWith('#')) continue
    const entry = parseLine(line)
    if (typeof entry === 'string') {
      object(entry)
      continue
    }
    const { user, hash } = entry
    if (hashes.delete(user) || locked.delete(user))
      object(`${user} has an earlier line too; this one applies`)
    if (LOCKED.test(hash)) locked.add(user)
    else hashes.set(user, hash)
  }
  let highestCost = hashes.size === 0 ? STANDARD_COST : 0
  for (const hash of hashes.values()) highestCost = Math.max(highestCost, costOf(hash))
  const last = lines.at(-1)!.trim()
  const isCutOff = last !== '' && !last.startsWith('#') && typeof parseLine(last) === 'string'
  return { hashes, highestCost, problems, locked, isCutOff }
}

/** Parses a line, or returns its problem, without quoting the line. */
function parseLine(line: string): { user: string; hash: string } | string {
  const colon = line.indexOf(':')
  if (colon <= 0) return 'no user, a colon and a hash'
  const user = line.slice(0, colon)
  const hash = line.slice(colon + 1)
  if (LOCKED.test(hash)) return { user, hash }
  if (!BCRYPT.test(hash)) return `the password of ${user} is not hashed with bcrypt but ${kindOf(hash)}`
  const cost = costOf(hash)
  if (cost < 4 || cost > MAX_COST)
    return `the hash of ${user} has the cost ${cost}; accepted: 4 to ${MAX_COST}`
  return { user, hash }
}

function kindOf(hash: string): string {
  if (hash.startsWith('$apr1$')) return 'with MD5 (apr1)'
  if (hash.startsWith('{SHA}')) return 'with SHA-1'
  if (/^\$5\$|^\$6\$/.test(hash)) return 'with SHA-2 crypt'
  if (hash.startsWith('$2')) return 'with a bcrypt that is broken'
  return 'with crypt, or not at all'
}

function costOf(hash: string): number {
  return Number(BCRYPT.exec(hash)?.[1] ?? 0)
}

/** Replaces a user's line, or appends it. The rest is unchanged. */
export function withPassword(text: string, { user, hash }: { user: string; hash: string }): string {
  const line = `${user}:${hash}`
  const lines = text.split('\n')
  const indices = [...lines.keys()].filter((index) => lines[index]?.trim().startsWith(`${user}:`))
  const last = indices.pop()
  if (last !== undefined)
    return lines
      .with(last, line)
      .filter((_, index) => !indices.includes(index))
      .join('\n')
  return `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${line}\n`
}
