package outcry.program;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import outcry.contract.Contract;

/** {@code parity FILE}: which rules each case breaks. */
final class Parity {
  private Parity() {}

  static void run(Arguments arguments) throws ProgramException {
    Path file = Path.of(arguments.word("file of cases"));
    try {
      JsonObject cases = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
      for (JsonElement each : cases.getAsJsonArray("cases")) {
        Output.print(judged(each.getAsJsonObject()));
      }
    } catch (IOException | JsonParseException | IllegalStateException e) {
      throw new ProgramException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static JsonObject judged(JsonObject given) throws ProgramException {
    String name = given.get("name").getAsString();
    Contract contract = Contract.own();
    try {
      var message = contract.parse(given.get("type").getAsString(), given.get("message"));
      JsonObject line = new JsonObject();
      line.addProperty("case", name);
      line.add("violations", Output.violations(contract.violations(message)));
      return line;
    } catch (InvalidProtocolBufferException e) {
      throw new ProgramException("case " + name + " is not of its type: " + e.getMessage(), e);
    }
  }
}
