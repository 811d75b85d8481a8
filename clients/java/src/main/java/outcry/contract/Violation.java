package outcry.contract;

import java.util.Comparator;

/** A broken rule: {@code terms.quantity} and {@code int64.gte}. Sorted by field, then rule. */
public record Violation(String field, String rule) implements Comparable<Violation> {
  private static final Comparator<Violation> ORDER =
      Comparator.comparing(Violation::field).thenComparing(Violation::rule);

  @Override
  public int compareTo(Violation other) {
    return ORDER.compare(this, other);
  }

  /** The same violation, seen from a message that holds this one. */
  Violation within(String prefix) {
    return new Violation(prefix + field, rule);
  }

  @Override
  public String toString() {
    return field + " " + rule;
  }
}
