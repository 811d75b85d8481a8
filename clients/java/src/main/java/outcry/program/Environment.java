package outcry.program;

/** Addresses and names from the environment. */
final class Environment {
  private Environment() {}

  static String address() {
    String address = System.getenv("OUTCRY_ADDRESS");
    return address == null || address.isEmpty() ? "http://127.0.0.1:7400" : address;
  }

  static String amqp() throws ProgramException {
    return required("OUTCRY_AMQP");
  }

  static String email() throws ProgramException {
    return required("OUTCRY_EMAIL");
  }

  static String password() throws ProgramException {
    return required("OUTCRY_PASSWORD");
  }

  private static String required(String name) throws ProgramException {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new ProgramException("set " + name);
    }
    return value;
  }
}
