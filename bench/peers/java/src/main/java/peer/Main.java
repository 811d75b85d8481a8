package peer;

import peer.modulith.ModulithOutbox;

/** {@code <job> --key value …}: one job a process, as the driver starts it. */
public final class Main {
  private Main() {}

  /** Ends with 0 when the driver closes standard input, with 1 on any error. */
  public static void main(String[] args) {
    try {
      var arguments = Arguments.parse(args);
      switch (arguments.job()) {
        case "client-publish" -> ClientPublish.run(arguments);
        case "client-consume" -> ClientConsume.run(arguments);
        case "spring-publish" -> SpringPublish.run(arguments);
        case "spring-consume" -> SpringConsume.run(arguments);
        case "modulith-outbox" -> ModulithOutbox.run(arguments);
        default -> throw new IllegalArgumentException("there is no job " + arguments.job());
      }
    } catch (Exception error) {
      error.printStackTrace();
      System.exit(1);
    }
    // Libraries leave threads behind that would keep the process.
    System.exit(0);
  }
}
