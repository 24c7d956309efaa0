/** True for a text in PEM (RFC 7468) that ends in the middle of a block: more of it is missing, or was not written yet.
 *  What stands between the blocks says nothing. */
export function isCutOffPem(pem: string): boolean {
  const begun = pem.match(/^-----BEGIN .*-----/gm)?.length ?? 0
  const ended = pem.match(/^-----END .*-----/gm)?.length ?? 0
  const [last = ''] = /[^\n]*$/.exec(pem.trimEnd()) ?? []
  // Of a line that says what begins or ends, a part.
  const isPartOfLine = last.startsWith('-') && !/^-----(BEGIN|END) .*-----$/.test(last)
  return begun > ended || isPartOfLine
}
