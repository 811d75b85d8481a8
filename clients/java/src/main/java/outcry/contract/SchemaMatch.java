package outcry.contract;

import java.util.Locale;

/** How the schema of a message's sender compares with the package's own. */
public enum SchemaMatch {
  SAME,
  DIFFERS,
  /** The message does not say. */
  UNKNOWN;

  /** Header that holds the fingerprint of the sender's schema. */
  public static final String HEADER = "outcry-schema";

  /** Compares the header's value, null without one, with a type, null if the type is unknown. */
  public static SchemaMatch of(String header, EventType type) {
    if (header == null) {
      return UNKNOWN;
    }
    return type != null && type.fingerprint().equals(header) ? SAME : DIFFERS;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
