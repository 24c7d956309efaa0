/** Compiles a case-insensitive pattern for whole texts, in which `*` matches any text. Without backtracking:
 *  its time is proportional to the length of the text. */
export function wildcard(pattern: string): (text: string) => boolean {
  const [first = '', ...rest] = pattern.toLowerCase().split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => text.toLowerCase() === first
  return (text) => {
    const lower = text.toLowerCase()
    const end = lower.length - last.length
    if (!lower.startsWith(first) || !lower.endsWith(last)) return false
    let at = first.length
    for (const piece of rest) {
      const found = lower.indexOf(piece, at)
      if (found === -1) return false
      at = found + piece.length
    }
    return at <= end
  }
}
