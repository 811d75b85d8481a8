package outcry.contract;

import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** SHA-256 of a contract file with all that it imports, and of message bodies. */
public final class Fingerprint {
  private Fingerprint() {}

  /**
   * Of a {@code FileDescriptorSet} that holds the file and what it imports, directly or not, sorted
   * by name and without comments and positions. Options and rules count.
   */
  public static String of(String file, Map<String, FileDescriptorProto> files) {
    SortedMap<String, FileDescriptorProto> closure = new TreeMap<>();
    collect(file, files, closure);
    return sha256(
        FileDescriptorSet.newBuilder().addAllFile(closure.values()).build().toByteArray());
  }

  /** In hexadecimal. */
  public static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static void collect(
      String name, Map<String, FileDescriptorProto> files, Map<String, FileDescriptorProto> into) {
    FileDescriptorProto file = files.get(name);
    if (file == null || into.containsKey(name)) {
      return;
    }
    into.put(name, file.toBuilder().clearSourceCodeInfo().build());
    for (String dependency : file.getDependencyList()) {
      collect(dependency, files, into);
    }
  }
}
