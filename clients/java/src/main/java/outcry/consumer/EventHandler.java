package outcry.consumer;

/** What a consumer is for. */
@FunctionalInterface
public interface EventHandler {
  /**
   * Takes an event that keeps the contract and was not handled before. An exception ends the
   * consumer's run, and the event stays in the queue: it comes again in the next run.
   */
  void handle(Event event) throws Exception;
}
