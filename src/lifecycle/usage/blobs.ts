import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingBlobs, ForwardingUpload } from '../../core/forwarding-registry.ts'
import type {
  BlobService,
  BlobUpload,
  ChangeOptions,
  MountSource,
  ResumeOptions,
  UploadOptions,
} from '../../core/registry.ts'
import type { Account, Addition } from './account.ts'
import { organisationOf } from './count.ts'

/** Blobs of a repository, which count as they are pushed. What the repository has already adds nothing. */
export class CountedBlobs extends ForwardingBlobs {
  readonly #account: Account

  constructor(blobs: BlobService, account: Account) {
    super(blobs)
    this.#account = account
  }

  /** Refused as soon as nothing is left. */
  override async createUpload(options?: UploadOptions): Promise<BlobUpload> {
    await this.#account.require({ bytes: 1, tags: 0 })
    return this.#counted(await super.createUpload(options))
  }

  override async resume(id: string, options?: ResumeOptions): Promise<BlobUpload> {
    return this.#counted(await super.resume(id, options))
  }

  override async getUpload(id: string, options?: ResumeOptions): Promise<BlobUpload> {
    return this.#counted(await super.getUpload(id, options))
  }

  override mount(
    digest: Digest,
    from?: MountSource,
    options: ChangeOptions<Descriptor> = {},
  ): Promise<Descriptor> {
    return this.#account.inTurn(digest, async () => {
      if (await this.has(digest)) return super.mount(digest, from, options)
      let release = () => {}
      const announce = async (descriptor: Descriptor) => {
        release = await this.#account.reserve(this.#mounted(descriptor, from))
        await options.announce?.(descriptor)
      }
      try {
        const descriptor = await super.mount(digest, from, { announce })
        this.#account.note(this.#mounted(descriptor, from))
        return descriptor
      } finally {
        release()
      }
    })
  }

  /** What another repository of the organisation has adds nothing to the organisation. */
  #mounted({ size: bytes }: Descriptor, from: MountSource | undefined): Addition {
    const { repository } = this.#account
    const isNear = typeof from === 'string' && organisationOf(from) === organisationOf(repository)
    return { bytes, tags: 0, organisationBytes: isNear ? 0 : bytes }
  }

  /** Runs a commit that adds a blob of this size. */
  commit(digest: Digest, size: number, work: () => Promise<Descriptor>): Promise<Descriptor> {
    return this.#account.inTurn(digest, async () => {
      if (await this.has(digest)) return work()
      return this.#account.add({ bytes: size, tags: 0 }, work)
    })
  }

  #counted(upload: BlobUpload): BlobUpload {
    return new CountedUpload(upload, this)
  }
}

class CountedUpload extends ForwardingUpload {
  readonly #blobs: CountedBlobs

  constructor(upload: BlobUpload, blobs: CountedBlobs) {
    super(upload)
    this.#blobs = blobs
  }

  /** The bytes of an upload that is refused are removed. */
  override async commit(digest: Digest, options?: ChangeOptions<Descriptor>): Promise<Descriptor> {
    try {
      return await this.#blobs.commit(digest, this.size, () => super.commit(digest, options))
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'DENIED') await this.cancel()
      throw error
    }
  }
}
