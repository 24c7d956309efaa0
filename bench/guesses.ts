import { request } from 'node:http'
import { basic } from './login.ts'
import { LOGIN } from './registries.ts'

const GUESSER = '127.0.1.1'

/** Guesses passwords, a hundred times a second, from another address of this machine than the load comes from, until it
 *  is stopped. What it is answered does not matter. */
export function guessPasswords(port: number): { stop(): void } {
  let guesses = 0
  const timer = setInterval(() => {
    const headers = { Authorization: basic({ name: LOGIN.name, password: `guess ${++guesses}` }) }
    const call = request({
      host: '127.0.0.1',
      port,
      path: '/v2/',
      agent: false,
      localAddress: GUESSER,
      headers,
    })
    call
      .on('response', (response) => response.resume())
      .on('error', () => {})
      .end()
  }, 10)
  return { stop: () => clearInterval(timer) }
}
