package outcry.consumer;

/** What becomes of events of types that the package does not know. */
public enum UnknownTypes {
  /** Left out: right for views, which show what they know. */
  IGNORE,
  /** Put aside: right where an event left out would be missed, such as money that moved. */
  DEAD_LETTER
}
