package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// businessTopic is what the messages are about, and their routing key.
const businessTopic = "peer.business"

// written is the result of a round of writing.
type written struct {
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"`
	// Of COMMIT alone.
	CommitP50 int64 `json:"commit_p50_us"`
	CommitP99 int64 `json:"commit_p99_us"`
	// From BEGIN until COMMIT is answered.
	TransactionP50 int64 `json:"transaction_p50_us"`
	TransactionP99 int64 `json:"transaction_p99_us"`
}

// note is the payload of a message.
type note struct {
	ID  int64 `json:"id"`
	Key int64 `json:"key"`
	// At is when the transaction was about to be committed, in microseconds of Unix time.
	At  int64  `json:"at"`
	Pad string `json:"pad"`
}

// watermillOutboxWrite writes business rows with a message each, which a forwarder relays.
func watermillOutboxWrite(ctx context.Context, told options, driver *driver) error {
	pool, err := openPool(ctx, told.postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	// A publisher within a transaction makes no tables.
	subscriber, err := outboxSubscriber(pool, pollIntervalDefault)
	if err != nil {
		return err
	}
	if err := subscriber.SubscribeInitialize(outboxTopic); err != nil {
		return fmt.Errorf("making the outbox: %w", err)
	}
	writer := &outboxWriter{told: told, pool: pool}
	if err := driver.ready(watermillModule, watermillSQLModule, pgxModule); err != nil {
		return err
	}
	return driver.rounds(func() (any, error) { return writer.round(ctx) })
}

type outboxWriter struct {
	told options
	pool *pgxpool.Pool
	// first is the id of the round's first row: ids go on over rounds.
	first int64
}

// round writes with one goroutine for each connection. The messages of a key are all written by
// the same one, so that a key's order is that of its ids.
func (w *outboxWriter) round(ctx context.Context) (written, error) {
	began := time.Now()
	commits := make([]time.Duration, w.told.count)
	transactions := make([]time.Duration, w.told.count)
	group, ctx := errgroup.WithContext(ctx)
	for worker := range connectionsMax {
		group.Go(func() error {
			for index := range w.told.count {
				id := w.first + int64(index)
				key := id % int64(w.told.keys)
				if key%connectionsMax != int64(worker) {
					continue
				}
				if err := w.pause(ctx, began, index); err != nil {
					return err
				}
				start := time.Now()
				commit, err := w.write(ctx, id, key)
				if err != nil {
					return fmt.Errorf("writing row %d: %w", id, err)
				}
				commits[index], transactions[index] = commit, time.Since(start)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return written{}, err
	}
	w.first += int64(w.told.count)
	return written{
		Count:          w.told.count,
		Seconds:        time.Since(began).Seconds(),
		CommitP50:      percentile(commits, 0.50),
		CommitP99:      percentile(commits, 0.99),
		TransactionP50: percentile(transactions, 0.50),
		TransactionP99: percentile(transactions, 0.99),
	}, nil
}

// pause waits until a row is due; one that is late goes on at once.
func (w *outboxWriter) pause(ctx context.Context, began time.Time, index int) error {
	if w.told.rate == 0 {
		return ctx.Err()
	}
	due := began.Add(time.Duration(float64(index) / w.told.rate * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write returns how long the commit took.
func (w *outboxWriter) write(ctx context.Context, id, key int64) (time.Duration, error) {
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	// Does nothing after the commit.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "INSERT INTO peer_business (id, note) VALUES ($1, $2)", id, "noted"); err != nil {
		return 0, err
	}
	if err := w.publish(ctx, tx, id, key); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// publish puts a message into the outbox, in the transaction. As in the library's documentation,
// a publisher lives as long as the transaction.
func (w *outboxWriter) publish(ctx context.Context, tx pgx.Tx, id, key int64) error {
	table, err := wmsql.NewPublisher(wmsql.TxFromPgx(tx), wmsql.PublisherConfig{SchemaAdapter: outboxSchema}, watermillLogger())
	if err != nil {
		return err
	}
	publisher := forwarder.NewPublisher(table, forwarder.PublisherConfig{ForwarderTopic: outboxTopic})
	payload, err := payload(id, key, w.told.bodyBytes)
	if err != nil {
		return err
	}
	msg := message.NewMessage(watermill.NewUUID(), payload)
	msg.SetContext(ctx)
	return publisher.Publish(businessTopic, msg)
}

// payload is a note of about the given size, or as small as it gets.
func payload(id, key int64, size int) ([]byte, error) {
	note := note{ID: id, Key: key, At: time.Now().UnixMicro()}
	bare, err := json.Marshal(note)
	if err != nil {
		return nil, err
	}
	note.Pad = strings.Repeat("x", max(size-len(bare), 0))
	return json.Marshal(note)
}
