package outcry.program;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What follows a command: {@code --name value…} and words by themselves. */
final class Arguments {
  private final Map<String, List<String>> options = new HashMap<>();
  private final List<String> words = new ArrayList<>();

  /** An option may have several values, each up to the next option. */
  Arguments(List<String> given, Set<String> known) throws ProgramException {
    List<String> values = words;
    for (String word : given) {
      if (!word.startsWith("--")) {
        values.add(word);
        continue;
      }
      if (!known.contains(word)) {
        throw new ProgramException("there is no option " + word + ", only " + known);
      }
      values = options.computeIfAbsent(word, name -> new ArrayList<>());
    }
  }

  String word(String what) throws ProgramException {
    if (words.size() != 1) {
      throw new ProgramException("name one " + what);
    }
    return words.get(0);
  }

  List<String> all(String option) throws ProgramException {
    List<String> values = options.getOrDefault(option, List.of());
    if (values.isEmpty()) {
      throw new ProgramException(option + " is missing");
    }
    return values;
  }

  String one(String option) throws ProgramException {
    List<String> values = all(option);
    if (values.size() > 1) {
      throw new ProgramException(option + " takes one value");
    }
    return values.get(0);
  }

  /** A whole number from 1. */
  int count(String option) throws ProgramException {
    try {
      int number = Integer.parseInt(one(option));
      if (number > 0) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Told below.
    }
    throw new ProgramException(option + " is a whole number from 1");
  }

  int count(String option, int otherwise) throws ProgramException {
    return options.containsKey(option) ? count(option) : otherwise;
  }

  /** A decimal number, null if it is not given. */
  BigDecimal decimal(String option) throws ProgramException {
    if (!options.containsKey(option)) {
      return null;
    }
    try {
      return new BigDecimal(one(option));
    } catch (NumberFormatException e) {
      throw new ProgramException(option + " is a number such as 100.25", e);
    }
  }
}
