/** The limits of manifests and of the signatures that come with them. A push above one of them is refused. */

/** The size that every registry must take. OCI Distribution Specification 1.1, "Pushing manifests". */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Nesting of arrays and objects. */
export const MAX_JSON_DEPTH = 64

/** Descriptors in a manifest, counted by their `digest` keys. */
export const MAX_DESCRIPTORS = 2_000

/** Arrays, objects, elements and members together: fifty for each of the most descriptors. */
export const MAX_JSON_VALUES = 100_000

/** Signatures that a manifest of schema 1 may be pushed with, and is served with. */
export const MAX_SIGNATURES = 100

/** Size of one signature: enough for a chain of some certificates. */
export const MAX_SIGNATURE_BYTES = 16 * 1024

/** Certificates in the chain of one signature (`x5c`). */
export const MAX_CERTIFICATES = 10
