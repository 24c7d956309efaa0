import { createHash, createVerify } from 'node:crypto'
import { expect, it } from 'vitest'
import { describeOnGcs } from '../../../test/support/gcs-under-test.ts'
import { serviceAccount } from '../../../test/support/service-account.ts'

describeOnGcs('where gcs sends clients', (current) => {
  it('is a URL signed with the key, for 20 minutes, and asks nobody', async () => {
    const { credentials, publicKey } = serviceAccount()
    const { driver, bucket, close } = await current().open({ credentials, rootdirectory: 'root' })
    current().server.front.forget()
    const url = (await driver.redirectUrl('/a/file')) as URL
    expect(current().server.front.requests).toEqual([])
    expect(url.pathname).toBe(`/${bucket}/root/a/file`)
    expect(url.searchParams.get('X-Goog-Expires')).toBe('1200')
    expect(url.searchParams.get('X-Goog-Credential')).toContain('registry@project.iam.gserviceaccount.com/')
    expect(isSignedBy(publicKey, url)).toBe(true)
    await close()
  })

  it('is none where no key is at hand', async () => {
    const { driver, close } = await current().open()
    expect(await driver.redirectUrl('/a/file')).toBeUndefined()
    await close()
  })
})

/** Verifies a V4 signature.
 *  @see https://cloud.google.com/storage/docs/authentication/signatures */
function isSignedBy(publicKey: string, url: URL): boolean {
  const { 'X-Goog-Signature': signature = '', ...signed } = Object.fromEntries(url.searchParams)
  const query = Object.keys(signed)
    .sort()
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(signed[key] as string)}`)
    .join('&')
  const canonical = ['GET', url.pathname, query, `host:${url.hostname}\n`, 'host', 'UNSIGNED-PAYLOAD'].join(
    '\n',
  )
  const scope = (signed['X-Goog-Credential'] as string).split('/').slice(1).join('/')
  const text = ['GOOG4-RSA-SHA256', signed['X-Goog-Date'], scope, sha256(canonical)].join('\n')
  return createVerify('RSA-SHA256').update(text).verify(publicKey, signature, 'hex')
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}
