package outcry.consumer;

/** What a consumer is for. */
@FunctionalInterface
public interface EventHandler {
  /**
   * Takes an event that keeps the contract and was not handled before. An exception means that it
   * was not handled: the event comes once more, and is put aside after that.
   */
  void handle(Event event) throws Exception;
}
