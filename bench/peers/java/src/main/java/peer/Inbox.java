package peer;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;

/** The inbox in plain JDBC: what a message does, it does once. */
final class Inbox implements AutoCloseable {
  /** As many transactions as may be under way. */
  static final int CONNECTIONS = 8;

  static final String REMEMBER =
      "insert into peer_inbox(message_id) values (?) on conflict do nothing";
  static final String EFFECT = "insert into peer_effect(message_id, body) values (?, ?)";

  private final HikariDataSource pool;

  Inbox(String url) {
    pool = pool(url);
  }

  static HikariDataSource pool(String url) {
    var database = Endpoint.parse(url, 5432);
    var config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.setUsername(database.user());
    config.setPassword(database.password());
    config.setMaximumPoolSize(CONNECTIONS);
    // Nothing is done outside transactions.
    config.setAutoCommit(false);
    return new HikariDataSource(config);
  }

  /** Whether the message was new; it is committed when this returns. */
  boolean handle(String messageId, byte[] body) throws SQLException {
    try (var connection = pool.getConnection()) {
      try {
        boolean fresh = remember(connection, messageId);
        if (fresh) {
          apply(connection, messageId, body);
        }
        connection.commit();
        return fresh;
      } catch (SQLException error) {
        connection.rollback();
        throw error;
      }
    }
  }

  private static boolean remember(Connection connection, String messageId) throws SQLException {
    try (var statement = connection.prepareStatement(REMEMBER)) {
      statement.setString(1, messageId);
      return statement.executeUpdate() == 1;
    }
  }

  private static void apply(Connection connection, String messageId, byte[] body)
      throws SQLException {
    try (var statement = connection.prepareStatement(EFFECT)) {
      statement.setString(1, messageId);
      statement.setBytes(2, body);
      statement.executeUpdate();
    }
  }

  @Override
  public void close() {
    pool.close();
  }
}
