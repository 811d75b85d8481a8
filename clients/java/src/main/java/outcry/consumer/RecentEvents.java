package outcry.consumer;

import java.util.LinkedHashSet;
import java.util.Set;

/** The ids handled last, in memory. */
public final class RecentEvents implements EventMemory {
  /** About ten megabytes; repeats come within seconds, after a lost connection. */
  public static final int CAPACITY = 100_000;

  private final int capacity;
  private final Set<String> ids = new LinkedHashSet<>();

  public RecentEvents() {
    this(CAPACITY);
  }

  public RecentEvents(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a memory holds at least one id");
    }
    this.capacity = capacity;
  }

  @Override
  public boolean contains(String eventId) {
    return ids.contains(eventId);
  }

  @Override
  public void add(String eventId) {
    if (ids.add(eventId) && ids.size() > capacity) {
      var oldest = ids.iterator();
      oldest.next();
      oldest.remove();
    }
  }
}
