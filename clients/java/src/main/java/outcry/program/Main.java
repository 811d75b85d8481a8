package outcry.program;

import java.util.List;
import java.util.Set;
import outcry.contract.ContractException;

/** The program: one command per run. */
public final class Main {
  private static final String USAGE =
      """
      usage:
        trade --symbol S [--quantity N] [--limit PRICE]
        consume --queue Q --topic PATTERN… --count N [--within SECONDS]
        parity FILE
        golden FOLDER
        cloudevents --queue Q --topic PATTERN… --count N [--within SECONDS]\
      """;

  private static final Set<String> OF_QUEUES = Set.of("--queue", "--topic", "--count", "--within");

  private Main() {}

  public static void main(String[] words) {
    // Before the first logger is made; what goes wrong is written to standard error.
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
    try {
      if (words.length == 0) {
        throw new ProgramException(USAGE);
      }
      run(words[0], List.of(words).subList(1, words.length));
    } catch (ProgramException | ContractException | IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    } catch (InterruptedException e) {
      System.exit(1);
    }
  }

  private static void run(String command, List<String> rest)
      throws ProgramException, InterruptedException {
    switch (command) {
      case "trade" -> Trade.run(new Arguments(rest, Set.of("--symbol", "--quantity", "--limit")));
      case "cloudevents" -> CloudEvents.run(new Arguments(rest, OF_QUEUES));
      case "consume" -> Consume.run(new Arguments(rest, OF_QUEUES));
      case "parity" -> Parity.run(new Arguments(rest, Set.of()));
      case "golden" -> Golden.run(new Arguments(rest, Set.of()));
      default -> throw new ProgramException(USAGE);
    }
  }
}
