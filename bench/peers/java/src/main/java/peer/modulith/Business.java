package peer.modulith;

import java.time.Instant;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.core.Ordered;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import peer.Latencies;

/** A business that records something and says so, in one transaction. */
@Service
class Business {
  private final JdbcTemplate jdbc;
  private final ApplicationEventPublisher events;

  Business(JdbcTemplate jdbc, ApplicationEventPublisher events) {
    this.jdbc = jdbc;
    this.events = events;
  }

  /** The first id that is not taken. */
  long nextId() {
    var next =
        jdbc.queryForObject("select coalesce(max(id) + 1, 0) from peer_business", Long.class);
    return next == null ? 0 : next;
  }

  /** Also notes how long the commit by itself takes. */
  @Transactional
  void record(long id, long key, int bytes, Latencies commits) {
    jdbc.update("insert into peer_business(id, note) values (?, ?)", id, "recorded");
    events.publishEvent(Recorded.of(id, key, microsNow(), bytes));
    TransactionSynchronizationManager.registerSynchronization(new CommitTimer(commits));
  }

  /** Around the commit, and before what others do after it. */
  private static final class CommitTimer implements TransactionSynchronization {
    private final Latencies commits;
    private long begun;

    CommitTimer(Latencies commits) {
      this.commits = commits;
    }

    @Override
    public int getOrder() {
      return Ordered.HIGHEST_PRECEDENCE;
    }

    @Override
    public void beforeCompletion() {
      begun = System.nanoTime();
    }

    @Override
    public void afterCommit() {
      commits.note(System.nanoTime() - begun);
    }
  }

  private static long microsNow() {
    var now = Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }
}
