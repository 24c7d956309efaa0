import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { CloudFrontOptions } from '../storage/middleware/cloudfront.ts'

type Entry = Exclude<Config['middleware']['storage'][number], { disabled: true }>
type CloudFront = Extract<Entry, { name: 'cloudfront' }>['options']

/** Wraps the driver with the configured redirect middleware: the last one is outermost. Its code is loaded on
 *  demand. If one fails, the driver is closed.
 *  @throws Error that begins with the path of the option */
export async function wrapDriver(driver: StorageDriver, config: Config, log: Log): Promise<StorageDriver> {
  let wrapped = driver
  try {
    for (const [index, entry] of config.middleware.storage.entries()) {
      if (!entry.disabled) wrapped = await wrap(wrapped, entry, { config, log, index })
    }
    return wrapped
  } catch (error) {
    await wrapped.close()
    throw error
  }
}

interface Parts {
  readonly config: Config
  readonly log: Log
  /** Index of the entry. */
  readonly index: number
}

async function wrap(driver: StorageDriver, entry: Entry, parts: Parts): Promise<StorageDriver> {
  const { RedirectingDriver } = await import('../storage/middleware/redirecting-driver.ts')
  switch (entry.name) {
    case 'redirect': {
      const { redirect } = await import('../storage/middleware/redirect.ts')
      return new RedirectingDriver(driver, redirect({ baseUrl: entry.options.baseurl }))
    }
    case 'rewrite': {
      const { rewrite } = await import('../storage/middleware/rewrite.ts')
      const { scheme, host, trimpathprefix } = entry.options
      return new RedirectingDriver(driver, rewrite({ scheme, host, trimPathPrefix: trimpathprefix }))
    }
    case 'cloudfront': {
      const { options, close } = await cloudFrontOptions(entry.options, parts)
      const { cloudFront } = await import('../storage/middleware/cloudfront.ts')
      return new RedirectingDriver(driver, cloudFront(options), close)
    }
  }
}

async function cloudFrontOptions(
  options: CloudFront,
  { config, log, index }: Parts,
): Promise<{ options: CloudFrontOptions; close: () => void }> {
  const privateKey = await cloudFrontKey(options.privatekey, index)
  const direct = await awsRanges(options, log)
  return {
    options: {
      baseUrl: options.baseurl,
      rootDirectory: config.storage.s3?.rootdirectory ?? '',
      keyPairId: options.keypairid,
      privateKey,
      durationMs: options.duration,
      direct,
    },
    close: () => direct?.close(),
  }
}

/** The CloudFront signing key of the entry at an index, in PEM.
 *  @throws Error that begins with the path of the option */
export async function cloudFrontKey(path: string, index: number): Promise<string> {
  const { readSigningKey } = await import('../storage/middleware/signing-key.ts')
  return readSigningKey(path).catch((cause) => {
    throw new Error(`middleware.storage[${index}].options.privatekey: ${cause.message}`, { cause })
  })
}

/** The address ranges of clients that are redirected to the bucket itself. Undefined if there are none. */
async function awsRanges({ ipfilteredby, regions, iprangesurl, updatefrequency }: CloudFront, log: Log) {
  if (ipfilteredby === 'none') return undefined
  const { AwsRanges } = await import('../storage/middleware/aws-ranges.ts')
  const ranges = new AwsRanges({
    url: iprangesurl,
    regions: ipfilteredby === 'awsregion' ? regions : [],
    updateMs: updatefrequency,
    log,
  })
  ranges.start()
  return ranges
}
