import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** Reads the private key for CloudFront's URLs, in PEM.
 *  @throws Error unless the file has an RSA private key */
export async function readSigningKey(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch((cause) => {
    throw new Error(`${path} cannot be read: ${cause.code ?? cause.message}`, { cause })
  })
  const type = typeOf(pem)
  if (type !== 'rsa')
    throw new Error(`${path} has no RSA key in PEM${type === undefined ? '' : `, but ${type}`}`)
  return pem
}

/** The type of a key. Undefined if it is no private key, or encrypted. */
function typeOf(pem: string): string | undefined {
  try {
    return createPrivateKey(pem).asymmetricKeyType
  } catch {
    return undefined
  }
}
