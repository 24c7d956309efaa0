import { request } from 'node:http'
import { basic } from './login.ts'
import { LOGIN } from './registries.ts'

/** Guesses passwords, a hundred times a second, each second from the same hundred addresses of this machine, until it is
 *  stopped. What it is answered does not matter. */
export function guessPasswords(port: number): { stop(): void } {
  let guesses = 0
  const timer = setInterval(() => {
    const localAddress = `127.0.1.${1 + (guesses++ % 100)}`
    const headers = { Authorization: basic({ name: LOGIN.name, password: `guess ${guesses}` }) }
    const call = request({ host: '127.0.0.1', port, path: '/v2/', agent: false, localAddress, headers })
    call
      .on('response', (response) => response.resume())
      .on('error', () => {})
      .end()
  }, 10)
  return { stop: () => clearInterval(timer) }
}
