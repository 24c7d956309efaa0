/** A real identity provider, at which one person is logged in and consents to everything. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Configuration } from 'oidc-provider'

export class PersonIssuer implements AsyncDisposable {
  readonly url: string
  readonly secret = 'the secret of the registry'
  readonly #server: Server
  readonly #claims: Readonly<Record<string, unknown>>
  #provider: Provider | undefined

  private constructor(url: string, server: Server, claims: Readonly<Record<string, unknown>>) {
    this.url = url
    this.#server = server
    this.#claims = claims
  }

  /** @param claims of the person, `sub` among them */
  static async start(claims: Readonly<Record<string, unknown>>): Promise<PersonIssuer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return new PersonIssuer(url, server, claims)
  }

  /** Registers the registry as a client. */
  allow(redirectUri: string): void {
    const { sub } = this.#claims
    const accountId = String(sub)
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const configuration: Configuration = {
      clients: [{ client_id: 'registry', client_secret: this.secret, redirect_uris: [redirectUri] }],
      jwks: {
        keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'RS256' }] as never,
      },
      claims: { openid: ['sub'], profile: Object.keys(this.#claims) },
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      cookies: { keys: ['a key'] },
      findAccount: () => ({ accountId, claims: () => ({ ...this.#claims, sub: accountId }) }),
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      async loadExistingGrant({ oidc }) {
        const grant = new oidc.provider.Grant({ clientId: 'registry', accountId })
        grant.addOIDCScope('openid profile')
        await grant.save()
        return grant
      },
    }
    const provider = new Provider(this.url, configuration)
    this.#provider = provider
    const callback = provider.callback()
    this.#server.on('request', async (request, response) => {
      if (!request.url?.startsWith('/interaction/')) return callback(request, response)
      await provider.interactionFinished(
        request,
        response,
        { login: { accountId } },
        { mergeWithLastSubmission: false },
      )
    })
  }

  /** Follows the provider as a browser does, up to where it leads back. */
  async consent(location: string): Promise<string> {
    const cookies = new Map<string, string>()
    for (let next = location; ; ) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const answer = await fetch(next, { redirect: 'manual', headers: { cookie } })
      for (const set of answer.headers.getSetCookie()) {
        const [name = '', ...value] = (set.split(';', 1)[0] ?? '').split('=')
        cookies.set(name, value.join('='))
      }
      const target = answer.headers.get('location')
      if (target === null) throw new Error(`the provider answers ${answer.status}: ${await answer.text()}`)
      next = new URL(target, this.url).href
      if (!next.startsWith(this.url)) return next
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    void this.#provider
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
