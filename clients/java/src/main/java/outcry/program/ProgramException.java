package outcry.program;

/** A command did not go well, in words for the person who gave it. */
final class ProgramException extends Exception {
  private static final long serialVersionUID = 1L;

  ProgramException(String message) {
    super(message);
  }

  ProgramException(String message, Throwable cause) {
    super(message, cause);
  }
}
