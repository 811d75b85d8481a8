package outcry.program;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import outcry.contract.Violation;

/** Lines of JSON on standard output, in UTF-8 whatever the system's own is. */
final class Output {
  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  private Output() {}

  static void print(JsonElement line) {
    OUT.println(GSON.toJson(line));
  }

  static JsonArray violations(List<Violation> violations) {
    JsonArray array = new JsonArray();
    for (Violation violation : violations) {
      JsonObject each = new JsonObject();
      each.addProperty("field", violation.field());
      each.addProperty("rule", violation.rule());
      array.add(each);
    }
    return array;
  }
}
