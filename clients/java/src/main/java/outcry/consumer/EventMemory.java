package outcry.consumer;

/**
 * Ids of events that were handled. Called by one thread per consumer.
 *
 * <p>One of your own, in the database that the handler writes to and in the same transaction, makes
 * handling exactly once; the one in memory forgets when the program ends.
 */
public interface EventMemory {
  /** Whether the event was handled. */
  boolean contains(String eventId);

  /** The event was handled. */
  void add(String eventId);
}
