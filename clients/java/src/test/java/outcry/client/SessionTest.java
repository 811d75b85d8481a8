package outcry.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.protobuf.util.Timestamps;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;
import outcry.users.v1.UserServiceOuterClass.Tokens;

class SessionTest {
  private static final Instant NOW = Instant.parse("2027-01-15T08:00:00Z");

  private static Tokens tokens(String access, Duration life) {
    return Tokens.newBuilder()
        .setAccessToken(access)
        .setAccessExpiresAt(Timestamps.fromMillis(NOW.plus(life).toEpochMilli()))
        .build();
  }

  @Test
  void aTokenIsTradedAMinuteBeforeItsEndOrAfterTwoThirdsOfAShortLife() {
    Instant hour = NOW.plus(Duration.ofHours(1));
    assertEquals(hour.minus(Session.AHEAD), Session.refreshAt(NOW, hour));
    Instant minute = NOW.plus(Duration.ofMinutes(1));
    assertEquals(NOW.plusSeconds(40), Session.refreshAt(NOW, minute));
  }

  @Test
  void aTokenThatEndedIsTradedOnce() {
    Session session = new Session(Clock.fixed(NOW, ZoneOffset.UTC));
    assertNull(session.accessToken(old -> fail("nobody is signed in")));
    session.begin(tokens("old", Duration.ZERO));
    assertEquals("new", session.accessToken(old -> tokens("new", Duration.ofMinutes(5))));
    assertEquals("new", session.accessToken(old -> fail("it has just been traded")));
  }
}
