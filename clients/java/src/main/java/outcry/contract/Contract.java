package outcry.contract;

import build.buf.protovalidate.ValidationResult;
import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.protovalidate.exceptions.ValidationException;
import build.buf.validate.FieldPathElement;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.TypeRegistry;
import com.google.protobuf.util.JsonFormat;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The contract the package was built from: every type of it, its rules and its JSON form. */
public final class Contract {
  private final Map<String, EventType> events = new HashMap<>();
  private final TypeRegistry types;
  private final JsonFormat.Printer printer;
  private final JsonFormat.Parser parser;
  private final Validator validator = ValidatorFactory.newBuilder().build();

  private Contract(FileDescriptorSet set, JsonObject catalog) throws DescriptorValidationException {
    types = TypeRegistry.newBuilder().add(messages(set)).build();
    printer = JsonFormat.printer().usingTypeRegistry(types).omittingInsignificantWhitespace();
    parser = JsonFormat.parser().usingTypeRegistry(types);
    for (JsonElement element : catalog.getAsJsonArray("events")) {
      JsonObject event = element.getAsJsonObject();
      String name = event.get("full_name").getAsString();
      events.put(
          name,
          new EventType(
              event.get("topic").getAsString(),
              event.get("version").getAsInt(),
              event.get("fingerprint").getAsString(),
              message(name)));
    }
  }

  /** The contract in this package, read once. */
  public static Contract own() {
    return Own.CONTRACT;
  }

  /** The event with this message name, or null if the package knows none. */
  public EventType event(String fullName) {
    return events.get(fullName);
  }

  /** Every type of event that the package knows. */
  public Collection<EventType> events() {
    return Collections.unmodifiableCollection(events.values());
  }

  /** The message with this name. */
  public Descriptor message(String fullName) {
    Descriptor found = types.find(fullName);
    if (found == null) {
      throw new ContractException("the contract has no message " + fullName);
    }
    return found;
  }

  /** Every broken rule, sorted, by the official protovalidate. */
  public List<Violation> violations(Message message) {
    try {
      ValidationResult result = validator.validate(message);
      return result.getViolations().stream()
          .map(build.buf.protovalidate.Violation::toProto)
          .map(broken -> new Violation(path(broken), broken.getRuleId()))
          .sorted()
          .toList();
    } catch (ValidationException e) {
      String name = message.getDescriptorForType().getFullName();
      throw new ContractException("the rules of " + name + " cannot be judged", e);
    }
  }

  /** As {@link #violations(Message)} of a message that lies in the field of another. */
  public List<Violation> violations(Message message, String field) {
    return violations(message).stream().map(each -> each.within(field + ".")).toList();
  }

  /** Protobuf's JSON form, with payloads expanded. */
  public JsonObject json(MessageOrBuilder message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(printer.print(message)).getAsJsonObject();
  }

  /** Reads protobuf's JSON form of a message of this type. */
  public Message parse(String fullName, JsonElement json) throws InvalidProtocolBufferException {
    DynamicMessage.Builder message = DynamicMessage.newBuilder(message(fullName));
    parser.merge(json.toString(), message);
    return message.build();
  }

  private static String path(build.buf.validate.Violation violation) {
    return violation.getField().getElementsList().stream()
        .map(element -> element.getFieldName() + subscript(element))
        .collect(Collectors.joining("."));
  }

  private static String subscript(FieldPathElement element) {
    return switch (element.getSubscriptCase()) {
      case INDEX -> "[" + element.getIndex() + "]";
      case BOOL_KEY -> "[" + element.getBoolKey() + "]";
      case INT_KEY -> "[" + element.getIntKey() + "]";
      case UINT_KEY -> "[" + Long.toUnsignedString(element.getUintKey()) + "]";
      case STRING_KEY -> "[\"" + element.getStringKey() + "\"]";
      case SUBSCRIPT_NOT_SET -> "";
    };
  }

  private static List<Descriptor> messages(FileDescriptorSet set)
      throws DescriptorValidationException {
    Map<String, FileDescriptorProto> files = new LinkedHashMap<>();
    set.getFileList().forEach(file -> files.put(file.getName(), file));
    Map<String, FileDescriptor> built = new LinkedHashMap<>();
    for (String name : files.keySet()) {
      build(name, files, built);
    }
    return built.values().stream().flatMap(file -> file.getMessageTypes().stream()).toList();
  }

  private static FileDescriptor build(
      String name, Map<String, FileDescriptorProto> files, Map<String, FileDescriptor> built)
      throws DescriptorValidationException {
    FileDescriptor done = built.get(name);
    if (done != null) {
      return done;
    }
    FileDescriptorProto file = files.get(name);
    if (file == null) {
      throw new ContractException("the contract imports " + name + ", which is not in it");
    }
    FileDescriptor[] imports = new FileDescriptor[file.getDependencyCount()];
    for (int i = 0; i < imports.length; i++) {
      imports[i] = build(file.getDependency(i), files, built);
    }
    FileDescriptor descriptor = FileDescriptor.buildFrom(file, imports);
    built.put(name, descriptor);
    return descriptor;
  }

  private static final class Own {
    private static final Contract CONTRACT = read();

    private static Contract read() {
      try {
        FileDescriptorSet set = FileDescriptorSet.parseFrom(resource("/outcry/outcry.binpb"));
        String text = new String(resource("/outcry/catalog.json"), StandardCharsets.UTF_8);
        return new Contract(set, JsonParser.parseString(text).getAsJsonObject());
      } catch (IOException | DescriptorValidationException | JsonParseException e) {
        throw new ContractException(
            "the contract in this package is damaged: build it again after `outcry schema export`",
            e);
      }
    }

    private static byte[] resource(String name) throws IOException {
      try (InputStream stream = Contract.class.getResourceAsStream(name)) {
        if (stream == null) {
          throw new IOException("there is no " + name);
        }
        return stream.readAllBytes();
      }
    }
  }
}
