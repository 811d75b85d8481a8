package outcry.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.SourceCodeInfo;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FingerprintTest {
  private static Map<String, FileDescriptorProto> files() throws Exception {
    try (InputStream set = Contract.class.getResourceAsStream("/outcry/outcry.binpb")) {
      Map<String, FileDescriptorProto> files = new HashMap<>();
      FileDescriptorSet.parseFrom(set).getFileList().forEach(f -> files.put(f.getName(), f));
      return files;
    }
  }

  @Test
  void eachEventsFingerprintIsThatOfItsFile() throws Exception {
    Map<String, FileDescriptorProto> files = files();
    assertFalse(Contract.own().events().isEmpty());
    for (EventType event : Contract.own().events()) {
      String file = event.descriptor().getFile().getName();
      assertEquals(event.fingerprint(), Fingerprint.of(file, files), event.topic());
    }
  }

  @Test
  void commentsDoNotCountAndImportsDo() throws Exception {
    String file = "outcry/orders/v1/events.proto";
    Map<String, FileDescriptorProto> files = files();
    String before = Fingerprint.of(file, files);

    SourceCodeInfo comment =
        SourceCodeInfo.newBuilder()
            .addLocation(SourceCodeInfo.Location.newBuilder().setLeadingComments("New."))
            .build();
    files.compute(file, (name, was) -> was.toBuilder().setSourceCodeInfo(comment).build());
    assertEquals(before, Fingerprint.of(file, files));

    files.compute(
        "outcry/types/v1/money.proto",
        (name, was) -> was.toBuilder().setPackage("elsewhere").build());
    assertNotEquals(before, Fingerprint.of(file, files));
  }

  @Test
  void aHeaderIsComparedWithTheTypesOwnFingerprint() {
    EventType type = Contract.own().event("outcry.orders.v1.OrderFilledEvent");
    assertEquals(SchemaMatch.SAME, SchemaMatch.of(type.fingerprint(), type));
    assertEquals(SchemaMatch.DIFFERS, SchemaMatch.of("another", type));
    assertEquals(SchemaMatch.DIFFERS, SchemaMatch.of(type.fingerprint(), null));
    assertEquals(SchemaMatch.UNKNOWN, SchemaMatch.of(null, type));
  }
}
