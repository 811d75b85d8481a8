package outcry.consumer;

/** A consumer cannot go on. */
public final class ConsumerException extends Exception {
  private static final long serialVersionUID = 1L;

  ConsumerException(String message) {
    super(message);
  }

  ConsumerException(String message, Throwable cause) {
    super(message, cause);
  }
}
