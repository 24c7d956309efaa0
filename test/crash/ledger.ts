import { type Descriptor, mediaTypes, sha256 } from '../support/oci-image.ts'
import { Register } from './register.ts'

/** An upload in chunks that was begun and of which the end was not acknowledged. */
export interface OpenUpload {
  readonly digest: string
  readonly bytes: Buffer
  location: string
  /** Bytes that the registry said it had. */
  acknowledgedBytes: number
  /** True once the client has asked to finish it. */
  finishing: boolean
}

/** A manifest that is not there, to which others refer. */
export const subject: Descriptor = {
  mediaType: mediaTypes.manifest,
  digest: sha256(Buffer.from('subject')),
  size: 7,
}

/** What a client knows of one repository from the answers that it got. */
export class Ledger {
  readonly repository: string
  /** By digest: whether the repository has it. */
  readonly blobs = new Map<string, Register<boolean>>()
  readonly manifests = new Map<string, Register<boolean>>()
  /** The digest that a tag names. */
  readonly tags = new Map<string, Register<string | undefined>>()
  readonly uploads = new Set<OpenUpload>()
  /** The manifests that refer to `subject`. */
  readonly referrers = new Set<string>()

  constructor(repository: string) {
    this.repository = repository
  }

  blob(digest: string): Register<boolean> {
    return entry(this.blobs, digest, () => new Register(false))
  }

  manifest(digest: string): Register<boolean> {
    return entry(this.manifests, digest, () => new Register(false))
  }

  tag(name: string): Register<string | undefined> {
    return entry(this.tags, name, () => new Register<string | undefined>(undefined))
  }

  /** The tags that name the manifest, or may do so. */
  tagsNaming(digest: string): Register<string | undefined>[] {
    return [...this.tags.values()].filter((tag) => tag.candidates().includes(digest))
  }
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
