import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** The private key that CloudFront's URLs are signed with, in PEM.
 *  @throws Error when the file has none: the RSA key whose public part CloudFront has */
export async function readSigningKey(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch((cause) => {
    throw new Error(`${path} cannot be read: ${cause.code ?? cause.message}`, { cause })
  })
  const type = typeOf(pem)
  if (type !== 'rsa')
    throw new Error(`${path} has no RSA key in PEM${type === undefined ? '' : `, but ${type}`}`)
  return pem
}

/** Undefined for what is no private key, or one that a password protects. */
function typeOf(pem: string): string | undefined {
  try {
    return createPrivateKey(pem).asymmetricKeyType
  } catch {
    return undefined
  }
}
