package outcry.consumer;

/** Why a message is put aside. */
public enum Reason {
  /** Not an envelope, or its payload is not what its type says. */
  UNREADABLE,
  /** A rule of the contract is broken. */
  INVALID,
  /** Its version is higher than the package knows. */
  NEWER_SCHEMA,
  /** Its type is not known, and the consumer does not leave such events out. */
  UNKNOWN_TYPE
}
