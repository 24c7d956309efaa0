/** Where the next page of a list is: the `Link` of RFC 8288 with `rel="next"`.
 *  @returns a URL of the same origin; undefined if this page is the last */
export function nextPage(link: string | string[] | undefined, from: URL): string | undefined {
  const header = [link ?? ''].flat().join(', ')
  for (const [, target = '', parameters = ''] of header.matchAll(/<([^>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?:[\s;,]|$))/i.test(parameters)) continue
    if (!URL.canParse(target, from)) return undefined
    const url = new URL(target, from)
    return url.origin === from.origin && url.href !== from.href ? url.href : undefined
  }
  return undefined
}
