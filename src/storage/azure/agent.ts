import { Agent, type AgentOptions } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Socket } from 'node:net'

const CONNECT_MILLISECONDS = 10_000
/** Idle timeout of a connection; the SDK has none. */
const IDLE_MILLISECONDS = 30_000

export interface AgentSettings {
  /** True if the server's certificate is not verified. */
  readonly skipverify: boolean
  readonly idleMilliseconds?: number
}

/** An agent that keeps connections alive and closes idle ones, whose requests fail with `ETIMEDOUT`. */
export function agentFor(
  serviceUrl: string,
  { skipverify, idleMilliseconds = IDLE_MILLISECONDS }: AgentSettings,
): Agent {
  const options: AgentOptions = { keepAlive: true, timeout: idleMilliseconds }
  const agent = serviceUrl.startsWith('http:')
    ? new Agent(options)
    : new TlsAgent({ ...options, rejectUnauthorized: !skipverify })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (to, done) => {
    const socket = connect(to, done)
    if (socket) limit(socket as Socket, idleMilliseconds)
    return socket
  }
  return agent
}

function limit(socket: Socket, idleMilliseconds: number): void {
  socket.setTimeout(CONNECT_MILLISECONDS)
  socket.once('connect', () => socket.setTimeout(idleMilliseconds))
  socket.on('timeout', () => {
    socket.destroy(Object.assign(new Error('ETIMEDOUT: the service does not answer'), { code: 'ETIMEDOUT' }))
  })
}
