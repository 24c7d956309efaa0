import { connect as connectPlain, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectSecure } from 'node:tls'

/** A store's address. */
export interface Origin {
  /** An IPv6 address is without brackets. */
  readonly host: string
  readonly port: number
  /** True for TLS. */
  readonly isSecure: boolean
}

/** Who receives the bytes of a connection. */
export interface Receiver {
  /** The place of the next bytes. */
  space(): Buffer
  /** Takes bytes that were written to the beginning of `space`. True if more may follow. */
  take(count: number): boolean
}

export interface SecurityOptions {
  /** False if any certificate is accepted. */
  readonly rejectUnauthorized: boolean
  /** An earlier connection's session. */
  readonly session: Buffer | undefined
  /** Is given the session for later connections. Undefined after an error, which may be due to the session. */
  readonly onSession: (session: Buffer | undefined) => void
}

const COMMON_OPTIONS = { noDelay: true, keepAlive: true } as const

/** Opens a connection. The system reads directly into the receiver's memory. */
export function openPlain({ host, port }: Origin, receiver: Receiver): Socket {
  return connectPlain({
    ...COMMON_OPTIONS,
    host,
    port,
    onread: { buffer: () => receiver.space(), callback: (count) => receiver.take(count) },
  })
}

/** A decrypted TLS record, which all connections use in turn. RFC 8446 section 5.1 has the size. */
const record = Buffer.allocUnsafeSlow(16 * 1024)

/** Opens a connection with TLS. Each record is decrypted into the same memory, and copied from there: Node
 *  delivers the records that it has read, up to 64 KiB, even if the receiver wants no more. */
export function openSecure(
  { host, port }: Origin,
  receiver: Receiver,
  { rejectUnauthorized, session, onSession }: SecurityOptions,
): Socket {
  const callback = (count: number) => {
    let mayContinue = true
    for (let rest = record.subarray(0, count); rest.length > 0 && !socket.destroyed; ) {
      const copied = rest.copy(receiver.space())
      mayContinue = receiver.take(copied)
      rest = rest.subarray(copied)
    }
    return mayContinue
  }
  const options: ConnectionOptions & TcpNetConnectOpts = {
    ...COMMON_OPTIONS,
    host,
    port,
    servername: isIP(host) === 0 ? host : undefined,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized,
    session,
    onread: { buffer: record, callback },
  }
  const socket = connectSecure(options)
  return socket.on('session', onSession).on('error', () => onSession(undefined))
}
