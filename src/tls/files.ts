import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isCutOffPem } from '../lib/pem.ts'

/** The authorities of client certificates.
 *  @throws Error that names an invalid file */
export async function readAuthorities(paths: readonly string[]): Promise<Buffer[]> {
  return Promise.all(
    paths.map(async (path) => {
      const file = await readFile(path).catch((cause) => Promise.reject(unreadable('clientcas', cause)))
      parseCertificate(file, `clientcas: ${path}`)
      return file
    }),
  )
}

/** The error for a file of `http.tls` that can't be read. */
export function unreadable(key: string, cause: Error): Error {
  return new Error(`http.tls.${key} cannot be read: ${cause.message}`, { cause })
}

/** The first certificate of a PEM file, which must be complete.
 *  @throws Error that names the key */
export function parseCertificate(pem: Buffer, key: string): X509Certificate {
  if (isCutOffPem(pem.toString('latin1'))) throw new Error(`http.tls.${key} is cut off`)
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new Error(`http.tls.${key} is no certificate in PEM: ${(cause as Error).message}`, { cause })
  }
}

/** The unencrypted key of a PEM file.
 *  @throws Error that names the key */
export function parseKey(pem: Buffer, key: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new Error(`http.tls.${key} is no private key in PEM: ${(cause as Error).message}`, { cause })
  }
}
