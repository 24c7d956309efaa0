import { sha256 } from '../../support/oci-image.ts'
import type { Random } from '../../support/random.ts'
import { UnexpectedAnswer, type UploadState } from '../../support/registry-client.ts'
import { isBrokenConnection } from '../pusher.ts'
import { ClientOfReplicas } from '../replicas.ts'
import type { Surroundings } from './game.ts'
import type { Target } from './targets.ts'

/** Somebody who pushes to a repository of its own what others attack, and looks whether it is there. */
export class HonestPusher {
  readonly #repository: string
  readonly #random: Random
  readonly #around: Surroundings
  readonly #client: ClientOfReplicas

  constructor(number: number, { random, around }: { random: Random; around: Surroundings }) {
    this.#repository = `race/honest-${number}`
    this.#random = random
    this.#around = around
    this.#client = new ClientOfReplicas(around.replicas, { turn: number })
  }

  async pushUntil(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) await this.#pushOnce()
  }

  async #pushOnce(): Promise<void> {
    const { targets, findings, isDeadly } = this.#around
    const fresh = () => targets.make(this.#repository, this.#random)
    const target = this.#random.below(4) === 0 ? fresh() : (targets.recent(this.#random) ?? fresh())
    const what = `${this.#repository}@${target.digest} (${target.good.length} bytes)`
    try {
      await this.#push(target)
      findings.count('honest push')
      await this.#expectThere(target, what)
    } catch (error) {
      if (!isDeadly || !(isBrokenConnection(error) || wasCutShort(error)))
        findings.report(`an honest push of ${what}: ${error}`)
    }
  }

  async #push(target: Target): Promise<void> {
    const { acknowledged } = this.#around
    acknowledged.ask(this.#repository, target.digest)
    await this.#random.pick([
      () => this.#pushWhole(target),
      () => this.#pushAtOnce(target),
      () => this.#pushInChunks(target),
      () => this.#mount(target),
    ])()
    acknowledged.promise(this.#repository, target.digest)
  }

  async #pushWhole({ good }: Target): Promise<void> {
    await this.#client.pushBlob(this.#repository, good)
  }

  async #pushAtOnce({ good, digest }: Target): Promise<void> {
    const path = `/v2/${this.#repository}/blobs/uploads/?digest=${digest}`
    await (await this.#client.request(path, { method: 'POST', body: good, expect: [201] })).arrayBuffer()
  }

  async #pushInChunks({ good, digest }: Target): Promise<void> {
    const middle = 1 + this.#random.below(good.length - 1)
    let state: UploadState = await this.#client.beginUpload(this.#repository)
    state = await this.#client.sendChunk(state, good.subarray(0, middle))
    await this.#client.finishUpload(state, { digest, rest: good.subarray(middle) })
  }

  async #mount(target: Target): Promise<void> {
    const { digest, repository } = target
    if (!(await this.#client.mountBlob(this.#repository, { digest, from: repository })))
      await this.#pushWhole(target)
  }

  async #expectThere({ digest, evil }: Target, what: string): Promise<void> {
    const bytes = await this.#client.blob(this.#repository, digest)
    if (bytes !== undefined && sha256(bytes) === digest) return
    const found =
      bytes === undefined ? 'not there' : bytes.equals(evil) ? 'the bytes of the attacker' : 'other bytes'
    this.#around.findings.report(`${what}: ${found}, after it was acknowledged`)
  }
}

/** Of a finish that brought the bytes with it and was killed between moving and linking them nothing was promised: whoever repeats it
 *  without them has none. */
function wasCutShort(error: unknown): boolean {
  return error instanceof UnexpectedAnswer && /DIGEST_INVALID.*"size":0\b/.test(error.message)
}
