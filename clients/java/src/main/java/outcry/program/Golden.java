package outcry.program;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import outcry.contract.Contract;
import outcry.events.v1.Envelope.EventEnvelope;

/** {@code golden FOLDER}: whether each kept event reads as it did when it was written. */
final class Golden {
  private static final String BYTES = ".binpb";
  private static final String JSON = ".json";

  /** Topic, version, file. */
  private static final int DEPTH = 3;

  private Golden() {}

  static void run(Arguments arguments) throws ProgramException {
    Path folder = Path.of(arguments.word("folder of events"));
    boolean allSame = true;
    try (Stream<Path> found = Files.walk(folder, DEPTH)) {
      List<Path> files = found.filter(file -> file.toString().endsWith(BYTES)).sorted().toList();
      if (files.isEmpty()) {
        throw new ProgramException("there are no events in " + folder);
      }
      for (Path file : files) {
        String path = file.toString();
        String stem = path.substring(0, path.length() - BYTES.length());
        boolean same = isSame(file, Path.of(stem + JSON));
        JsonObject line = new JsonObject();
        line.addProperty("case", folder.relativize(Path.of(stem)).toString().replace('\\', '/'));
        line.addProperty("same", same);
        Output.print(line);
        allSame &= same;
      }
    } catch (IOException e) {
      throw new ProgramException("the events cannot be read: " + e, e);
    }
    if (!allSame) {
      throw new ProgramException("not every event reads as it did");
    }
  }

  private static boolean isSame(Path bytes, Path json) throws IOException, ProgramException {
    JsonElement now = Contract.own().json(EventEnvelope.parseFrom(Files.readAllBytes(bytes)));
    try {
      return now.equals(JsonParser.parseString(Files.readString(json)));
    } catch (JsonParseException e) {
      throw new ProgramException(json + " is not JSON: " + e.getMessage(), e);
    }
  }
}
