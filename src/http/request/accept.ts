/** True if an `Accept` header admits a media type: by name, by a wildcard, or because the header is absent.
 *  RFC 9110 section 12.5.1; of the weights only 0, which excludes, is considered. */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true
  const wildcard = `${mediaType.slice(0, mediaType.indexOf('/'))}/*`
  return admitsOneOf(header, [mediaType, wildcard, '*/*'])
}

/** True if an `Accept` header admits HTML by its name, as those of browsers do. */
export function namesHtml(header: string | undefined): boolean {
  return header !== undefined && admitsOneOf(header, ['text/html'])
}

function admitsOneOf(header: string, ranges: readonly string[]): boolean {
  return header.split(',').some((item) => {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
    return ranges.includes(range) && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
  })
}
