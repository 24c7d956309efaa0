/** A test for whole texts, in which `*` stands for any text and all else for itself, in either case. It never goes back,
 *  so that its time is in proportion to the text, whatever somebody sends. */
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
