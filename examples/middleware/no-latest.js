/** Refuses pushes of the tags in `options.tags`: whoever pulls `latest` can't say what they got. */
export default function refuseTags(
  repository,
  { options, ForwardingRepository, ForwardingTags, RegistryError },
) {
  class Tags extends ForwardingTags {
    async tag(tag, descriptor) {
      if (options.tags.includes(tag)) {
        throw new RegistryError('DENIED', { message: `the tag ${tag} is not used here`, detail: { tag } })
      }
      await super.tag(tag, descriptor)
    }
  }

  return new (class extends ForwardingRepository {
    get tags() {
      return new Tags(this.inner.tags)
    }
  })(repository)
}
