import type { GoogleAuth } from 'google-auth-library'
import { EnvHttpProxyAgent, request } from 'undici'
import { type CredentialSource, FetchedCredentials, type TimedCredentials } from './credentials.ts'

const GOOGLE_LIFETIME_MS = 5 * 60_000
const GOOGLE_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const AZURE_USER = '00000000-0000-0000-0000-000000000000'
const AZURE_SCOPE = 'https://containerregistry.azure.net/.default'
/** What is left of a refresh token when another one is fetched. */
const MARGIN_MS = 5 * 60_000
const TIMEOUTS = { headersTimeout: 30_000, bodyTimeout: 30_000, connect: { timeout: 5_000 } }

/** The machine's identity at an Azure Container Registry, by Azure's SDK, which is loaded when it is needed: its
 *  token is exchanged for one of the registry's.
 *  https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
 *  @param getToken of Microsoft Entra; default: of the SDK */
export function azureCredentials(
  url: string,
  getToken: () => Promise<string> = entraToken,
): CredentialSource {
  return new FetchedCredentials(async (): Promise<TimedCredentials> => {
    const { host } = new URL(url)
    const form = { grant_type: 'access_token', service: host, access_token: await getToken() }
    const dispatcher = new EnvHttpProxyAgent(TIMEOUTS)
    try {
      const { statusCode, body } = await request(new URL('/oauth2/exchange', url), {
        dispatcher,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(form).toString(),
      })
      const answer: unknown = await body.json().catch(() => undefined)
      const { refresh_token: password } = Object(answer)
      if (statusCode !== 200 || typeof password !== 'string')
        throw new Error(`${host} does not exchange the token of Entra: ${statusCode}`)
      return { username: AZURE_USER, password, expiresAt: expiryOf(password) - MARGIN_MS }
    } finally {
      await dispatcher.destroy()
    }
  })
}

/** The machine's service account at Google's Artifact Registry, by Google's SDK, which is loaded when it is
 *  needed.
 *  @param getToken default: of the SDK */
export function googleCredentials(getToken: () => Promise<string> = googleTokens()): CredentialSource {
  return new FetchedCredentials(async () => ({
    username: 'oauth2accesstoken',
    password: await getToken(),
    // The SDK renews its token by itself.
    expiresAt: Date.now() + GOOGLE_LIFETIME_MS,
  }))
}

async function entraToken(): Promise<string> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return (await new DefaultAzureCredential().getToken(AZURE_SCOPE)).token
}

function googleTokens(): () => Promise<string> {
  let identity: Promise<GoogleAuth> | undefined
  return async () => {
    identity ??= import('google-auth-library').then((sdk) => new sdk.GoogleAuth({ scopes: GOOGLE_SCOPE }))
    const token = await (await identity).getAccessToken()
    if (!token) throw new Error('Google gives no token')
    return token
  }
}

/** Of a JWT, in milliseconds since 1970; now, if it is none. */
function expiryOf(token: string): number {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return Number(exp) * 1000 || Date.now()
  } catch {
    return Date.now()
  }
}
