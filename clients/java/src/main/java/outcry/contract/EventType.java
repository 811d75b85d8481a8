package outcry.contract;

import com.google.protobuf.Descriptors.Descriptor;

/**
 * A type of event that the package knows.
 *
 * @param version the highest {@code schema_version} of it that can be read
 * @param fingerprint hash of the schema it was described by when the package was built
 */
public record EventType(String topic, int version, String fingerprint, Descriptor descriptor) {
  /** Name of the payload's message. */
  public String fullName() {
    return descriptor.getFullName();
  }
}
