import { env } from 'node:process'
import { type CredentialSource, FetchedCredentials, type TimedCredentials } from './credentials.ts'

/** What is left of a token's twelve hours when another one is fetched. */
const MARGIN_MS = 30 * 60_000
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 30_000 }

/** The machine's identity at a private registry of Amazon ECR, by Amazon's SDK, which is loaded when it is needed. The
 *  SDK finds the identity in the environment, in files, or at the metadata service.
 *  https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html */
export function ecrCredentials(url: string): CredentialSource {
  return new FetchedCredentials(async (): Promise<TimedCredentials> => {
    const { ECRClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr')
    // The SDK itself heeds no proxies.
    const agents = { httpAgent: { proxyEnv: env }, httpsAgent: { proxyEnv: env } }
    const client = new ECRClient({
      region: ecrRegionOf(new URL(url).hostname),
      requestHandler: { ...TIMEOUTS, ...agents },
    })
    try {
      const { authorizationData: [data] = [] } = await client.send(new GetAuthorizationTokenCommand({}))
      const login = Buffer.from(data?.authorizationToken ?? '', 'base64').toString()
      const [, username, password] = /^([^:]+):(.+)$/s.exec(login) ?? []
      if (username === undefined || password === undefined) throw new Error('ECR gives no token')
      return { username, password, expiresAt: (data?.expiresAt?.getTime() ?? Date.now()) - MARGIN_MS }
    } finally {
      client.destroy()
    }
  })
}

/** The region in the host of a registry, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`. Undefined for another
 *  host: then the SDK's own setting counts. */
export function ecrRegionOf(host: string): string | undefined {
  return /^\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.]+$/.exec(host)?.[1]
}
