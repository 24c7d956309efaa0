import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** A file that a key of `http.tls` names.
 *  @throws Error that names the key */
export async function readKeyed(path: string, key: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new Error(`http.tls.${key} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** The authorities that may vouch for clients.
 *  @throws Error that names the file which is none */
export async function readAuthorities(paths: readonly string[]): Promise<Buffer[]> {
  return Promise.all(
    paths.map(async (path) => {
      const file = await readKeyed(path, 'clientcas')
      parseCertificate(file, `clientcas: ${path}`)
      return file
    }),
  )
}

/** The first certificate of a PEM file.
 *  @throws Error that names the key */
export function parseCertificate(pem: Buffer, key: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new Error(`http.tls.${key} is no certificate in PEM: ${(cause as Error).message}`, { cause })
  }
}

/** The key of a PEM file, which needs no password.
 *  @throws Error that names the key */
export function parseKey(pem: Buffer, key: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new Error(`http.tls.${key} is no private key in PEM: ${(cause as Error).message}`, { cause })
  }
}
