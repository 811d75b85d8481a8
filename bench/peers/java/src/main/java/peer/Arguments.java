package peer;

import java.util.HashMap;
import java.util.Map;

/** What the driver asks for. */
public record Arguments(String job, Map<String, String> values) {

  static Arguments parse(String[] args) {
    if (args.length % 2 == 0) {
      throw new IllegalArgumentException("expected <job> --key value …");
    }
    var values = new HashMap<String, String>();
    for (int i = 1; i < args.length; i += 2) {
      if (!args[i].startsWith("--")) {
        throw new IllegalArgumentException(args[i] + " is no --key");
      }
      values.put(args[i].substring(2), args[i + 1]);
    }
    return new Arguments(args[0], values);
  }

  /** The value of a key that must be there. */
  public String text(String key) {
    var value = values.get(key);
    if (value == null) {
      throw new IllegalArgumentException(job + " needs --" + key);
    }
    return value;
  }

  /** The value of a key that may be left out. */
  public String text(String key, String otherwise) {
    return values.getOrDefault(key, otherwise);
  }

  /** The number of a key that must be there. */
  public int number(String key) {
    return Integer.parseInt(text(key));
  }
}
