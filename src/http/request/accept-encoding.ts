/** The first of the codings, best first, that an `Accept-Encoding` header admits; `identity` if it admits
 *  none. Of the weights only 0, which excludes, is considered. RFC 9110 section 12.5.3. */
export function preferredEncoding<Encoding extends string>(
  header: string | string[] | undefined,
  available: readonly Encoding[],
): Encoding | 'identity' {
  const admitted = new Set<string>()
  for (const item of String(header ?? '').split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
    if (!parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) admitted.add(coding)
  }
  return available.find((coding) => admitted.has(coding)) ?? 'identity'
}
