package peer;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;

/** The parts of {@code scheme://user:password@host:port/name}, for libraries that want parts. */
public record Endpoint(String host, int port, String user, String password, String name) {

  public static Endpoint parse(String url, int defaultPort) {
    var uri = URI.create(url);
    var account = uri.getRawUserInfo() == null ? "" : uri.getRawUserInfo();
    int colon = account.indexOf(':');
    var user = colon < 0 ? account : account.substring(0, colon);
    var password = colon < 0 ? "" : account.substring(colon + 1);
    var path = uri.getRawPath() == null ? "" : uri.getRawPath();
    int port = uri.getPort() < 0 ? defaultPort : uri.getPort();
    return new Endpoint(
        uri.getHost(), port, decoded(user), decoded(password), decoded(path.replaceFirst("/", "")));
  }

  /** Where the driver for Java finds this database of PostgreSQL. */
  public String jdbcUrl() {
    return "jdbc:postgresql://" + host + ":" + port + "/" + name;
  }

  private static String decoded(String part) {
    // A plus sign is itself here, other than in forms.
    return URLDecoder.decode(part.replace("+", "%2B"), StandardCharsets.UTF_8);
  }
}
