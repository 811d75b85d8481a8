package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** The driver's side of the conversation: lines of JSON to it, {@code go} from it. */
public final class Driver {
  private static final JsonMapper JSON = JsonMapper.shared();

  /** Works once and returns the result. */
  @FunctionalInterface
  public interface Round {
    Map<String, Object> work() throws Exception;
  }

  private Driver() {}

  /** Says that the peer is ready, and works once for each {@code go} until input ends. */
  public static void serve(String library, Round round) throws Exception {
    var ready = new LinkedHashMap<String, Object>();
    ready.put("ready", true);
    ready.put("library", library);
    say(ready);
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (var line = input.readLine(); line != null; line = input.readLine()) {
      if (!line.strip().equals("go")) {
        throw new IllegalArgumentException("expected go, got " + line);
      }
      say(round.work());
    }
  }

  private static void say(Map<String, Object> message) {
    System.out.println(JSON.writeValueAsString(message));
    System.out.flush();
  }
}
