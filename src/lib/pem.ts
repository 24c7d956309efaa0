/** True for PEM text (RFC 7468) that ends inside a block, because the file is incomplete. Text between blocks
 *  is ignored. */
export function isCutOffPem(pem: string): boolean {
  const begun = pem.match(/^-----BEGIN .*-----/gm)?.length ?? 0
  const ended = pem.match(/^-----END .*-----/gm)?.length ?? 0
  const [last = ''] = /[^\n]*$/.exec(pem.trimEnd()) ?? []
  // The beginning of a BEGIN or END line.
  const isPartOfLine = last.startsWith('-') && !/^-----(BEGIN|END) .*-----$/.test(last)
  return begun > ended || isPartOfLine
}
