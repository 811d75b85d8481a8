package outcry.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import outcry.events.v1.Envelope.EventEnvelope;

/** What the project keeps for all languages, where the package lies in the project. */
class KeptContractTest {
  private static final Path KEPT = Path.of("../../contracts");

  @Test
  void eachParityCaseBreaksTheRulesItNames() throws Exception {
    Path file = KEPT.resolve("parity.json");
    assumeTrue(Files.exists(file), "the package lies elsewhere");
    JsonObject parity = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    assertFalse(parity.getAsJsonArray("cases").isEmpty());
    for (JsonElement element : parity.getAsJsonArray("cases")) {
      JsonObject given = element.getAsJsonObject();
      List<Violation> expected = new ArrayList<>();
      for (JsonElement each : given.getAsJsonArray("violations")) {
        JsonObject broken = each.getAsJsonObject();
        String field = broken.get("field").getAsString();
        expected.add(new Violation(field, broken.get("rule").getAsString()));
      }
      Contract contract = Contract.own();
      Message message = contract.parse(given.get("type").getAsString(), given.get("message"));
      assertEquals(expected, contract.violations(message), given.get("name").getAsString());
    }
  }

  @Test
  void eachGoldenEventReadsAsItDid() throws Exception {
    Path folder = KEPT.resolve("golden");
    assumeTrue(Files.isDirectory(folder), "the package lies elsewhere");
    try (Stream<Path> found = Files.walk(folder)) {
      List<Path> files = found.filter(file -> file.toString().endsWith(".binpb")).toList();
      assertFalse(files.isEmpty());
      for (Path file : files) {
        Path json = Path.of(file.toString().replaceFirst("\\.binpb$", ".json"));
        JsonElement expected = JsonParser.parseString(Files.readString(json));
        EventEnvelope event = EventEnvelope.parseFrom(Files.readAllBytes(file));
        assertEquals(expected, Contract.own().json(event), file.toString());
      }
    }
  }
}
