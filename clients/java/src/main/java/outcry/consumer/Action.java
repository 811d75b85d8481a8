package outcry.consumer;

import java.util.Locale;

/** What is done with a message. */
public enum Action {
  HANDLED,
  /** Its id was seen before: nothing is done. */
  DUPLICATE,
  /** Its type is not known. */
  IGNORED,
  /** Put aside. */
  DEAD;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
